"""Room for scans: made weeks ahead by a task of its own, and on demand where that has failed."""

from collections.abc import Iterable

import psycopg
import structlog
from psycopg import AsyncConnection

from historian.partition import WEEK_US, ensure_partitions
from telemetry.clock import Clock, real_monotonic_s

AHEAD_US = 2 * WEEK_US
BACKLOG_US = 2 * WEEK_US  # Older scans than these come from clocks that are wrong.
TRY_AGAIN_S = 10.0

log = structlog.get_logger()


class Room:
    """The weeks that there is room for, and those for which it can't be made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Not all of now can be stored, or not all yet: the last attempt says so.
        self.is_lacking = False
        self._known_us: set[int] = set()
        self._failed_s: dict[int, float] = {}  # By week, when.
        self._passing_us: set[int] = set()  # What failed for a reason that passes by itself.

    def forget(self) -> None:
        """Look again: another's hand may have been at the tables."""
        self._known_us.clear()

    async def make(self, maker: AsyncConnection, weeks_us: Iterable[int]) -> None:
        """Make room where there is none yet.

        A failure is not the end: somebody may have made other room, and then storing succeeds.
        """
        wanted = set(weeks_us) - self._known_us
        for week_us in sorted(wanted):
            if real_monotonic_s() - self._failed_s.get(week_us, -TRY_AGAIN_S) < TRY_AGAIN_S:
                continue
            try:
                await ensure_partitions(maker, range(week_us, week_us + 1))
            except psycopg.Error as error:
                if maker.closed:
                    raise
                self._failed_s[week_us] = real_monotonic_s()
                self._passing_us.discard(week_us)
                if isinstance(error, psycopg.OperationalError):  # A lock, a full disk.
                    self._passing_us.add(week_us)
                log.warning("no room could be made", week_us=week_us, error=str(error).strip())
            else:
                self._known_us.add(week_us)
                self._failed_s.pop(week_us, None)
                self._passing_us.discard(week_us)
        now_us = self._clock.now_us()
        since_us = now_us - WEEK_US - BACKLOG_US
        lacking = wanted - self._known_us
        self.is_lacking = any(
            since_us <= week_us <= now_us + AHEAD_US or week_us in self._passing_us
            for week_us in lacking
        )


async def make_room_ahead(maker: AsyncConnection, clock: Clock) -> None:
    """Make room for the next two weeks, so that no Monday's first flush has to."""
    now_us = clock.now_us()
    await ensure_partitions(maker, range(now_us, now_us + AHEAD_US))
