"""When is it told that a certificate ends? Thirty, fourteen, seven days before, and one.

Pure: which certificates there are, what stands in the alarm list, and the time come in; what is to
be recorded goes out. So a check after a restart tells nothing twice, and nothing is kept in memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC

from alarms.transition import Happening, Phase
from telemetry.clock import instant_at

MARKS_DAYS = (1, 7, 14, 30)
DAY_US = 86_400 * 1_000_000

Key = tuple[str, str]  # Subject and rule.


@dataclass(frozen=True, slots=True)
class Watched:
    """A certificate whose end matters."""

    subject: str  # The edge, or the place where it is served.
    rule: str
    structure: str | None
    serial: str
    ends_us: int


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm about a certificate, as it stands in the list."""

    subject: str
    rule: str
    structure: str | None
    serial: str | None  # None where nobody knows any more what it was told of.
    mark_days: int | None


def mark_of(ends_us: int, now_us: int) -> int | None:
    """Return the nearest mark that has been passed; None while the end is far.

    >>> [mark_of(days * DAY_US, 0) for days in (31, 30, 15, 14, 7, 2, 1, -5)]
    [None, 30, 30, 14, 7, 7, 1, 1]
    """
    left_us = ends_us - now_us
    return next((days for days in MARKS_DAYS if left_us <= days * DAY_US), None)


def due(
    watched: Iterable[Watched], standing: Iterable[Standing], *, now_us: int, at_us: int
) -> list[Happening]:
    """Find what is to be recorded now, at an instant of the site's clock.

    A certificate is told of again at each mark; its alarm ends when another has taken its place.
    """
    found: list[Happening] = []
    told: Mapping[Key, Standing] = {(one.subject, one.rule): one for one in standing}
    wanted: dict[Key, Watched] = {}
    for one in watched:
        key = (one.subject, one.rule)
        if key not in wanted or one.ends_us < wanted[key].ends_us:
            wanted[key] = one
    for key, before in sorted(told.items()):
        now = wanted.get(key)
        replaced = now is None or now.serial != before.serial
        if replaced or mark_of(wanted[key].ends_us, now_us) is None:
            found.append(_over(before, now, at_us))
    for key, one in sorted(wanted.items()):
        mark = mark_of(one.ends_us, now_us)
        if mark is None:
            continue
        last = told.get(key)
        if last is not None and last.serial == one.serial and mark >= (last.mark_days or 0):
            continue
        found.append(_told(one, mark, at_us))
    return found


def _told(one: Watched, mark: int, at_us: int) -> Happening:
    ends_at = instant_at(one.ends_us).astimezone(UTC)
    detail = {"serial": one.serial, "ends_at": ends_at.isoformat(), "mark_days": mark}
    return Happening(one.subject, one.rule, one.structure, at_us, detail, Phase.BEGINS)


def _over(before: Standing, now: Watched | None, at_us: int) -> Happening:
    detail: dict[str, object] = {"serial": before.serial}
    if now is not None:
        ends_at = instant_at(now.ends_us).astimezone(UTC)
        detail |= {"replaced_by": now.serial, "ends_at": ends_at.isoformat()}
    return Happening(before.subject, before.rule, before.structure, at_us, detail, Phase.ENDS)
