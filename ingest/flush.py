"""One site's part of a flush, written: everything in the caller's transaction, journal last."""
