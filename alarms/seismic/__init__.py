"""What swarms of small quakes say of a mine's rock: completeness, b-value, rates, energy, re-entry.

Pure, and over catalogues: events in the order of their instants, as arrays. Magnitudes below
completeness are not a sign of quiet, and fifty events are the least that a b-value is told from.
"""
