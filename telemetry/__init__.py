"""The vocabulary: what is measured at a mine, and how it travels.

It imports nothing of ours. Everything here is pure but two files that every process needs:
`telemetry.clock`, the only reader of the machine's clock in the whole project, and
`telemetry.lifetime`, which waits for whoever may ask a process to stop.
"""
