"""A program that consumes alarms and readings over the live websocket, and times them."""

import asyncio
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from telemetry.clock import MachineClock, ScenarioClock, instant_us
from telemetry.site import Level

RETRY_S = 0.2
LATENCIES_KEPT = 100_000  # The newest: a demonstration may run for days.
MESSAGE_BYTES_MAX = 8 << 20
RAISING = ("raise", "rise")

Entry = dict[str, Any]


@dataclass(eq=False)
class Watcher:
    """Subscribes to everything of one site; resumes by cursor after a cut."""

    live_url: str
    site: str
    token: str
    clock: ScenarioClock | None = None  # None until the scenario begins.
    entries: dict[int, Entry] = field(default_factory=dict)  # By journal number.
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)  # Set by every new entry.

    async def run(self) -> None:
        """Watch until cancelled; what nobody foresaw ends it, and whoever started it looks."""
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                await self._watch_once()
            self.connected.clear()
            await asyncio.sleep(RETRY_S)

    async def _watch_once(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with connect(
            self.live_url, additional_headers=headers, max_size=MESSAGE_BYTES_MAX
        ) as line:
            cursor = {self.site: max(self.entries, default=0)}
            wish = {"site": self.site, "alarms": True, "channels": "all", "cursor": cursor}
            await line.send(json.dumps({"subscribe": wish}))
            async for message in line:
                self._take(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "hello":
                self.connected.set()
            case "alarm":
                entry = message["entry"]
                self.entries[int(entry["number"])] = entry
                self.told.set()
            case "values" if self.clock is not None:
                self._time(message["values"], self.clock)

    def _time(self, values: list[dict[str, Any]], clock: ScenarioClock) -> None:
        """Note how long ago, in real time, the newest of these readings was sampled."""
        newest_us = max(
            (instant_us_of(value["sampled_at"]) for value in values if value["sampled_at"]),
            default=None,
        )
        if newest_us is None:
            return
        sampled_real_us = clock.began_real_us + (newest_us - clock.began_us) / clock.rate
        self.latencies_ms.append((MachineClock().now_us() - sampled_real_us) / 1000)

    def raised(self, kind: str) -> list[tuple[str, str, str]]:
        """List raises and rises of a kind as (sampled_at, channel, level), in that order."""
        found = [
            (entry["sampled_at"], entry["channel"], Level[entry["level"].upper()], entry["level"])
            for entry in self.entries.values()
            if entry["kind"] == kind and entry["change"] in RAISING
        ]
        return [(at, channel, name) for at, channel, _, name in sorted(found)]

    def percentile_ms(self, percent: float) -> float | None:
        """Return a percentile of the latencies; None while nothing has come."""
        if not self.latencies_ms:
            return None
        return round(float(np.percentile(list(self.latencies_ms), percent)), 1)


def instant_us_of(text: str) -> int:
    """Read an instant as the API writes it."""
    return instant_us(datetime.fromisoformat(text))
