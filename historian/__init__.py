"""The long-term store: migrations, the embedded PostgreSQL, writing scans, reading history.

It may import the vocabulary and the pure part of `alarms`; it decides nothing about alarms.
"""
