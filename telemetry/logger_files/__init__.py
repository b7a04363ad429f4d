"""Files that loggers write: rows of text with a stamp, read into arrays of instants and numbers.

Pure: bytes come in chunks of any size, rows come out, and how the chunks were cut is not seen.
Importing at the centre, the watched folder at the edge and the replay of old files all read
through here, by one description of a file (`telemetry.logger_files.format`).
"""
