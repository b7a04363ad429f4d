"""Trends: the slow methods, which look at hours, days and years of binned means at once.

Limits ask whether a reading is too high; what is here asks whether a channel is on its way
somewhere, agrees with its neighbours, and does what water, season and age explain. Pure NumPy
over arrays of [channel, bin]: no clock, no database, no state between calls but the bins. It may
import `telemetry` and the pure part of `alarms`.

Scans go into `binned.Bins`; at a tick `means.means` gives what has ended, `means.coarser` wider
bins, and each method answers for all channels at once, with a verdict whose 0 is "unknown".
`docs/detectors` has a page for each method, decision record 0015 the reasons.
"""
