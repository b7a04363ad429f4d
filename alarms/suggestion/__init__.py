"""Proposals for a site file from quiet history: deadbands, delays, limits, what is usual.

With the database, which it only reads, as back-tests do. What it says is a diff for a person to
read: nothing here changes a file, a limit or a state.
"""
