"""What is stored, as files for other programs: CSV and Parquet, in pieces, for any span."""
