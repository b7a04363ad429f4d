"""Waveforms from files on the command line: where events begin in them."""
