"""Every slow method, as what a channel says to use it; a new one joins the list.

The conformance suite of the slow tier (tests/property/test_slow_conformance.py) holds for all of
them alike. Scans come every ten seconds, bins have a minute.
"""

from typing import Any

from engine_sites import limit

BIN_S = 60.0
BESIDE = "beside"  # The channel that methods with company look at.


def trend(method: str, direction: str | None = "high", **words: Any) -> dict[str, Any]:
    """A trend; levels and delays by name."""
    words.setdefault("bin_s", BIN_S)
    found = limit(direction or "high", method=method, **words)
    if direction is None:
        del found["direction"]
    return found


def fitted(method: str, **words: Any) -> dict[str, Any]:
    """A trend that learns from a little more than half an hour."""
    return trend(method, learn_days=0.03, yellow=3.0, red=6.0, **words)


RAIN = {"coefficient_mm_per_h": 2.0, "exponent": -0.5, "shortest_h": 0.01, "longest_h": 1.0}

SLOW_CASES: dict[str, dict[str, Any]] = {
    "rate": {"trends": [trend("rate", blue=6.0, red=30.0, window_s=1200.0, deadband=2.0)]},
    "rate_low": {"trends": [trend("rate", "low", yellow=-6.0, window_s=1200.0, on_delay_s=60.0)]},
    "theil_sen": {"trends": [trend("theil_sen", blue=6.0, red=30.0, window_s=1200.0)]},
    "mann_kendall": {"trends": [trend("mann_kendall", blue=6.0, window_s=1800.0)]},
    "acceleration": {
        "trends": [trend("acceleration", None, yellow=0.05, short_bins=2, long_bins=6)]
    },
    "tangent_angle": {
        "trends": [
            trend("tangent_angle", None, yellow=80.0, red=85.0, window_s=1200.0, uniform_per_h=2.0)
        ]
    },
    "failure_time": {
        "trends": [trend("failure_time", None, yellow=5.0, orange=1.0, red=0.2, bin_s=120.0)]
    },
    "seasonal": {"trends": [fitted("seasonal", year_harmonics=0, day_harmonics=1)]},
    "intensity_duration": {
        "trends": [
            trend("intensity_duration", None, yellow=1.0, reads="intensity", break_h=0.05, **RAIN)
        ]
    },
    "counted_rain": {
        "trends": [
            trend("intensity_duration", None, red=1.0, reads="counter", break_h=0.05, **RAIN)
        ]
    },
    "drift": {"drift": {"against": [BESIDE], "tolerance": 1.0, "window_s": 2400.0, "bin_s": BIN_S}},
}
