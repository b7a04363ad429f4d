"""How many channels a second does one core look at with each of the slow methods?

Noise with a slow rise, as quiet channels have it, over windows of a usual length.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.forecasting import forecast
from alarms.trends.hampel import hampel
from alarms.trends.mann_kendall import Correlation, MannKendallParameters, mann_kendall
from alarms.trends.rate import rates
from alarms.trends.theil_sen import sen_lines

HOUR_US: Final = 3_600_000_000
BEGAN_US: Final = 1_767_225_600_000_000  # 2026-01-01
WITHIN_S: Final = 0.5  # Of each method, for a figure.

Values = NDArray[np.float64]


def windowed_channels_per_s() -> dict[str, int]:
    """Measure each method by itself; the name says how many means its window holds."""
    plain = MannKendallParameters(correlation=Correlation.IGNORED)
    methods: dict[str, tuple[int, Callable[[Values, NDArray[np.int64]], Any]]] = {
        "rate_1008": (1008, lambda value, at_us: rates(value, at_us, int(at_us[-1]))),
        "theil_sen_100": (100, sen_lines),
        "mann_kendall_168": (168, lambda value, _: mann_kendall(value, plain)),
        "hamed_rao_168": (168, lambda value, _: mann_kendall(value)),
        "hampel_144": (144, lambda value, _: hampel(value, np.full(len(value), 0.01))),
        "forecast_840": (
            840,
            lambda value, at_us: forecast(value, at_us, resolution=np.full(len(value), 0.01)),
        ),
    }
    return {name: _measured(bins, method) for name, (bins, method) in methods.items()}


def _measured(bins: int, method: Callable[[Values, NDArray[np.int64]], Any]) -> int:
    chance = np.random.default_rng(4)
    at_us = BEGAN_US + np.arange(bins) * HOUR_US
    channels, took_s = 64, 0.0
    while took_s < WITHIN_S:
        channels *= 2
        value = chance.standard_normal((channels, bins)) + 1e-3 * np.arange(bins)
        began_s = time.process_time()
        method(value, at_us)
        took_s = time.process_time() - began_s
    return round(channels / took_s)
