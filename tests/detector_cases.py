"""Every detector that judges in the flush, as a channel that uses it; what is new joins the list.

The conformance suite (tests/property/test_conformance.py) holds for all of them alike.
"""

from dataclasses import dataclass, field
from typing import Any

from engine_sites import limit

STATES = {
    0: {"name": {"en": "stopped", "zh": "停止"}, "level": "red"},
    1: {"name": {"en": "running", "zh": "运行"}},
    2: {"name": {"en": "slow", "zh": "慢速"}, "level": "yellow"},
}
DELAYS = {"on_delay_s": 25.0, "off_delay_s": 15.0}
TWO_OF_THREE = {"at_least": 2, "of_last": 3}


def chart(method: str, direction: str = "high", **words: Any) -> dict[str, Any]:
    """A control chart."""
    return limit(direction, method=method, **words)


@dataclass(frozen=True, slots=True)
class Case:
    """A detector: what a channel says to use it, and how it warms up."""

    words: dict[str, Any] = field(default_factory=dict)
    warms_up: bool = False  # It cannot judge its first reading.
    # Across this gap what came before counts no more; None where it never did, or always will.
    gap_s: float | None = None
    before: tuple[float, ...] = ()  # With what follows it tells something sooner.


# Values of the suite lie between 0 and 8, and are quiet at 4.
CASES: dict[str, Case] = {
    "limit_high": Case({"limits": [limit(blue=5.0, yellow=6.0, red=7.0, deadband=0.5, **DELAYS)]}),
    "limit_low": Case({"limits": [limit("low", yellow=3.0, orange=1.0, deadband=0.5)]}),
    "confirmed": Case(
        {"limits": [limit(blue=5.0, red=7.0, deadband=0.5, confirm=TWO_OF_THREE)]},
        gap_s=60.0,
        before=(5.2,),
    ),
    "rate": Case(
        {"rate_limits": [limit(blue=120.0, red=700.0, window_s=30.0, deadband=50.0)]},
        warms_up=True,
        gap_s=120.0,
        before=(0.0,) * 60,
    ),
    "confirmed_rate": Case(
        {"rate_limits": [limit("low", red=-200.0, window_s=20.0, confirm=TWO_OF_THREE)]},
        warms_up=True,
        gap_s=120.0,
        before=(8.0,) * 60,
    ),
    "ewma": Case(
        {"charts": [chart("ewma", blue=2.0, red=3.0, mean=4.0, sigma=1.0, deadband=0.5)]},
        gap_s=100.0,
        before=(5.2, 5.2),
    ),
    "ewma_learned": Case(
        {"charts": [chart("ewma", "low", red=3.0, learn_readings=20)]}, warms_up=True
    ),
    "cusum": Case(
        {"charts": [chart("cusum", blue=3.0, red=6.0, mean=4.0, sigma=1.0, **DELAYS)]},
        gap_s=100.0,
        before=(5.2,) * 4,
    ),
    "cusum_learned": Case(
        {"charts": [chart("cusum", yellow=4.0, learn_readings=20, confirm=TWO_OF_THREE)]},
        warms_up=True,
    ),
    "page_hinkley": Case(
        {"charts": [chart("page_hinkley", "low", red=4.0, sigma=1.0, warm_up_readings=5)]},
        warms_up=True,
        gap_s=100.0,
        before=(8.0,) * 60,
    ),
    "screened": Case(
        {
            "limits": [limit(blue=5.0, red=7.0, deadband=0.5)],
            "screen": {
                "spike": {"most_per_hour": 400.0},
                "outlier": {"readings": 5},
                "frozen": {"after_s": 86_400.0},
            },
        },
    ),
    "state": Case(
        {
            "quantity": "running_state",
            "unit": "state",
            "states": STATES,
            "state_on_delay_s": 15.0,
        }
    ),
}
