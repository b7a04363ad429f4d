"""How old what we show is: a second axis beside the alarm state; pure."""

from enum import StrEnum

# As the site's ingest judges silence: three periods, and never less than 5 real seconds. What
# is calculated waits for its inputs first, so it may be two periods older.
PERIODS_MAX = 3
PERIODS_MAX_CALCULATED = 5
REAL_S_MIN = 5.0


class Freshness(StrEnum):
    """Whether a reading still says how things are."""

    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"  # Nothing has ever come.


def freshness_of(
    newest_us: int | None,
    *,
    silent: bool,
    period_us: int,
    calculated: bool,
    now_us: int,
    rate: float,
) -> Freshness:
    """Judge a scan group's newest scan; also when nobody is left who would call it silent.

    >>> freshness_of(None, silent=False, period_us=1, calculated=False, now_us=0, rate=1.0).value
    'unknown'
    """
    if newest_us is None:
        return Freshness.UNKNOWN
    periods = PERIODS_MAX_CALCULATED if calculated else PERIODS_MAX
    oldest_us = now_us - max(periods * period_us, round(REAL_S_MIN * rate * 1_000_000))
    return Freshness.STALE if silent or newest_us < oldest_us else Freshness.FRESH


def worst_freshness(all_of_them: list[Freshness]) -> Freshness:
    """Say how fresh a whole structure is: as its worst group, unknown while nothing has come.

    >>> worst_freshness([Freshness.FRESH, Freshness.UNKNOWN]).value
    'stale'
    """
    if not all_of_them or all(one is Freshness.UNKNOWN for one in all_of_them):
        return Freshness.UNKNOWN
    if all(one is Freshness.FRESH for one in all_of_them):
        return Freshness.FRESH
    return Freshness.STALE
