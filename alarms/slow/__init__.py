"""The slow tier: trends over binned means, beside the flush and never in it.

Pure: recorded scans go in, beliefs come out, and what the engine makes of them is an input like any
other (decision record 0017). `ingest.slow_tier` reads and writes for it, a back-test feeds it from
history. It may import `telemetry` and the pure part of `alarms`.
"""
