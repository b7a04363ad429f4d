"""Trends: the slow methods, which look at hours, days and years of binned means at once.

Limits ask whether a reading is too high; what is here asks whether a channel is on its way
somewhere, agrees with its neighbours, and does what water, season and age explain. Pure NumPy
over arrays of [channel, bin]: no clock, no database, no state between calls but what
`alarms.trends.binned` holds. It may import `telemetry` and the pure part of `alarms`.
"""
