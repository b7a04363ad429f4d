"""What the simulated microseismic network publishes beside its counts: the events themselves.

With the scan that ends a minute the minute's events go out, in one message. After a lost
connection a message may come again: its events have the same ids, so nobody counts them twice.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulators.event_site import EVENT_SOURCE, MICROSEISMIC_CHANNEL
from simulators.field import Unit
from simulators.messages import JsonPublisher, Published
from simulators.mqtt_site import topic_of
from simulators.physics.rock import MINUTE_S, Seismicity
from simulators.physics.rock_events import RockEvents, events_of
from simulators.scenario import Scenario
from simulators.stamping import Telling

MINUTE_US: Final = round(MINUTE_S * 1e6)


class EventfulPublisher(JsonPublisher):
    """Scans as messages, and the events of each minute that has ended."""

    def __init__(self, site: str, units: Sequence[Unit], scenario: Scenario, seed: int) -> None:
        super().__init__(site, units)
        self._topic = topic_of(site, EVENT_SOURCE)
        self._rock = Seismicity(seed=seed, burst=scenario.rockburst)
        self._began_us = scenario.began_us
        self._of_events = [
            any(channel.key == MICROSEISMIC_CHANNEL for channel in unit.plan.channels)
            for unit in units
        ]
        self._period_us = [unit.period_us for unit in units]

    def scan(self, unit: int, telling: Telling) -> Iterator[Published]:
        """Say a scan, and after it the events of what it ends."""
        yield from super().scan(unit, telling)
        if not self._of_events[unit]:
            return
        at_us = telling.step * self._period_us[unit] - self._began_us
        first, after = ((at_us - self._period_us[unit]) // MINUTE_US, at_us // MINUTE_US)
        ended = np.arange(max(first, 0), after, dtype=np.int64)
        if message := event_message(self._rock, ended, self._began_us):
            yield Published(self._topic, message, qos=1)


def event_message(rock: Seismicity, minutes: NDArray[np.int64], began_us: int) -> bytes:
    """Write the events of some minutes as a message; nothing where there are none."""
    found = events_of(rock, minutes)
    rows = [_row(found, n, began_us) for n in range(len(found.number))]
    return json.dumps({"events": rows}).encode() if rows else b""


def _row(found: RockEvents, n: int, began_us: int) -> dict[str, Any]:
    east, north, elevation = found.place_m[n].round(1).tolist()
    return {
        "id": f"m{int(found.number[n])}",
        "at_ms": round((began_us + found.at_s[n] * 1e6) / 1e3),
        "place": {"east_m": east, "north_m": north, "elevation_m": elevation},
        "magnitude": round(float(found.magnitude[n]), 1),
        "energy_j": float(f"{found.energy_j[n]:.6g}"),
        "moment_nm": float(f"{found.moment_nm[n]:.6g}"),
    }
