"""The vocabulary: what is measured at a mine, and how it travels.

Everything here is pure and imports nothing of ours. The one exception to "pure" is
`telemetry.clock`, which is the only reader of the machine's clock in the whole project.
"""
