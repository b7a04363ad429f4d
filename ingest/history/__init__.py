"""History: old files into the store of a running centre, and what is calculated from them.

What is imported is stored, converted and judged by its ranges. The engine never sees it: it
touches no alarm, no journal and no newest value, and nobody is told anything.
"""
