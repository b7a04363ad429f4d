"""What a site's failed flushes say: which arrival can't be stored, or that the fault is elsewhere.

A failed flush is tried again with half its arrivals, until one that fails stands alone. When it
has failed twice, a flush without any arrivals is the control: only if that succeeds was it the
arrival. What is the store's own fault (locks, rights, a full disk) is waited out, and no arrival
is blamed for it.
"""

from collections.abc import Sequence

import psycopg
from psycopg import AsyncConnection

from ingest.inbox import Arrival

ARRIVALS_MAX = 2_000
PAUSES_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
# Kinds of SQLSTATE: the transaction's mode, rights and definitions, resources, state, operator.
STORES_OWN = frozenset({"25", "42", "53", "55", "57", "58"})
GONE = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05"})


class Narrowing:
    """How far the flushes of one site are narrowed down, and when the next may be tried."""

    def __init__(self) -> None:
        self.condemned: Arrival | None = None
        self.must_recover = False  # The desk's state is not what the database says.
        self.retry_s = 0.0
        self._arrivals_max = ARRIVALS_MAX
        self._suspect: Arrival | None = None  # Failed alone.
        self._controls = False  # The next flush takes no arrivals.
        self._failed = False  # The newest one.
        self._pauses = 0

    @property
    def arrivals_max(self) -> int:
        """How many arrivals the next flush may take."""
        return 0 if self._controls else self._arrivals_max

    @property
    def must_flush(self) -> bool:
        """Whether a flush is wanted even without news: to see whether it succeeds."""
        return self._failed or self._controls

    @property
    def stands_apart(self) -> bool:
        """Whether the site is not to share a transaction with others."""
        return (
            self.must_flush
            or self.must_recover
            or self.condemned is not None
            or self._arrivals_max < ARRIVALS_MAX
        )

    def stored(self) -> None:
        """Learn that a flush was committed."""
        self.condemned = self._suspect if self._controls else None
        self._suspect = None
        if not self._controls:
            self._arrivals_max = min(ARRIVALS_MAX, self._arrivals_max * 2)
        self._controls = self._failed = False
        self._pauses = 0

    def failed(self, arrivals: Sequence[Arrival], now_s: float, *, blameless: bool) -> None:
        """Learn that a flush of this site alone has failed, and whether arrivals may be why."""
        self._failed = True
        if blameless or self._controls or not arrivals or arrivals[0] is self.condemned:
            self._suspect = None
            self.pause(now_s)
            return
        self.halve(len(arrivals))
        if len(arrivals) == 1:
            self._controls = self._suspect is arrivals[0]
            self._suspect = arrivals[0]

    def halve(self, count: int) -> None:
        """Take half as many next time."""
        self._arrivals_max = max(1, count // 2)

    def pause(self, now_s: float) -> None:
        """Wait before the next try, each time longer."""
        self.retry_s = now_s + PAUSES_S[min(self._pauses, len(PAUSES_S) - 1)]
        self._pauses += 1


def is_stores_own(error: Exception) -> bool:
    """Tell whether a failure can't be due to what was to be stored.

    A statement that took too long may be: a smaller flush tells.
    """
    if not isinstance(error, psycopg.Error) or isinstance(error, psycopg.errors.QueryCanceled):
        return False
    return isinstance(error, psycopg.OperationalError) or (error.sqlstate or "")[:2] in STORES_OWN


def is_away(error: Exception, *connections: AsyncConnection) -> bool:
    """Tell whether a failure means that a connection is gone, not that a statement failed on it."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    state = error.sqlstate or ""
    return state in GONE or state.startswith("08") or any(one.closed for one in connections)
