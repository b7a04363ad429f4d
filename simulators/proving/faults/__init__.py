"""The fault harness: real processes, one fault after another, and nothing may be lost or invented.

It starts a small mine, hurts it in every way that a file here names, lets it drain, and compares
what the edges wrote down outside the system with what is stored, alarmed and told.
"""
