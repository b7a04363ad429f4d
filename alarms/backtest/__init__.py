"""Back-testing: the live engine over stored history, and what its alarms would have been worth.

With the database, which it only reads: in one transaction that is read only and sees one instant.
It touches no live state and tells nobody. Lives, figures, events and pages are pure.
"""
