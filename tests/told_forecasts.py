"""Forecasts as the slow tier tells them, made by the method itself from slopes of tests."""

import re

import numpy as np
from ground import START_US
from slopes import HOUR_US, Floats, failing, hours, noisy

from alarms.forecast.forecasting import forecast
from alarms.forecast.record import ForecastRow, rows_of

AT_H = hours(500)  # Its last bin is at hour 0: START_US of the tests.
RESOLUTION = 0.01
FAILING = failing(AT_H, fails_h=15.0)
CREEPING = noisy(0.05 * AT_H)
SLOWING = noisy(-30.0 * np.exp(-(AT_H - AT_H[0]) / 200.0))
STILL = noisy(0.0 * AT_H)


def told(
    slopes: dict[str, Floats], *, as_of_h: float = 0.0, asked_us: int | None = None
) -> list[ForecastRow]:
    """Ask about channels as of an hour at or before 0; START_US is hour 0 unless told otherwise."""
    known = as_of_h >= AT_H
    end_us = START_US if asked_us is None else asked_us - round(as_of_h * HOUR_US)
    at_us = end_us + np.rint(AT_H[known] * HOUR_US).astype(np.int64)
    value = np.stack(list(slopes.values()))[:, known]
    found = forecast(value, at_us, resolution=RESOLUTION)
    return rows_of(found, list(slopes), value, at_us, resolution=RESOLUTION, configuration=1)


def asking(site_text: str, *channels: str) -> str:
    """Let a site file ask of channels when they fail."""
    trend = "{method: failure_time, bin_s: 3600, levels: {red: 24}, source: A test}"
    for channel in channels:
        site_text, found = re.subn(
            rf"\n( +)- id: {channel}\n",
            rf"\n\1- id: {channel}\n\1  trends: [{trend}]\n",
            site_text,
        )
        assert found == 1, channel
    return site_text
