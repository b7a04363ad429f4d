"""Beside the instruments: poll, keep, deliver, and survive a lost line.

It may import the vocabulary and the pure part of alarms, nothing else of ours.
"""
