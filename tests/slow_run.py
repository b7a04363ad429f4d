"""A run of a script with the slow tier beside it, looked at after every flush."""

from typing import Any

from ingest_bench import HandClock
from ingest_site import BEGAN_US, SOURCE, group_in, site_document
from recovery_bench import Run

from historian.connection import connect
from ingest.slow_tier import SlowTier

TRENDS: dict[str, list[dict[str, Any]]] = {
    "pond": [
        {"method": "rate", "direction": "high", "window_s": 600, "bin_s": 60}
        | {"levels": {"blue": 1.0, "orange": 60.0}, "source": SOURCE},
        {"method": "rate", "direction": "low", "window_s": 600, "bin_s": 60}
        | {"levels": {"yellow": -30.0}, "deadband": 5.0, "source": SOURCE},
    ],
    "together": [
        {"method": "theil_sen", "direction": "high", "window_s": 600, "bin_s": 60}
        | {"levels": {"yellow": 30.0}, "source": SOURCE}
    ],
}


def trending_site() -> dict[str, Any]:
    """The small mine, with slow rules on a measured and a calculated channel."""
    tree = site_document()
    for group in ("levels", "sums"):
        for channel in group_in(tree, group)["channels"]:
            channel["trends"] = TRENDS.get(channel["id"], [])
    return tree


class SlowRun(Run):
    """One life of a site whose slow tier looks after every flush that it is let."""

    looks_every = 1  # Flush; a run that looks seldom must come to believe the same.
    _flushes = 0

    async def _open(self) -> None:
        await super()._open()
        self._desk.well_s = 0.0
        clock = HandClock(BEGAN_US)
        self._tier = SlowTier(self._dsn, [self._desk], clock, self._pipeline.wake_for_belief)
        self._tier_connection = await connect(self._dsn, name="slow", autocommit=True)

    async def _drop(self) -> None:
        await self._tier_connection.close()
        await super()._drop()

    async def _flush(self) -> None:
        await super()._flush()
        self._flushes += 1
        if self._flushes % self.looks_every == 0:
            await self._tier.look(self._tier_connection)

    async def _flush_all(self) -> None:
        await super()._flush_all()
        await self._tier.look(self._tier_connection)
        await super()._flush_all()
