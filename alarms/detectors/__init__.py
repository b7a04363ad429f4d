"""Detectors: pure NumPy, one question a file."""
