"""What a centre states of a site's day: so much was taken, so much is stored, so much is missing.

Pure: the records come from `historian.ledger`. It counts blocks, because blocks are what an edge
numbers; a block holds one scan or a few. `taken` is what edges say they took: the blocks of the
day that came, and the numbers that were given out and never came. A statement says only what is
known: an open day, and edges that were not heard since it ended, stand in it.
"""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from historian.ledger import ChannelDay, DayRecords
from telemetry.clock import instant_at, instant_us

FORMAT = "groundwatch daily statement 1"
GAPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Day:
    """A site's day, as a span of time."""

    site: str
    day: date
    time_zone: str  # IANA name
    from_us: int
    to_us: int  # Not of the day any more; 23 to 25 hours later.


@dataclass(frozen=True, slots=True)
class Statement:
    """What is stated, in blocks unless it says otherwise."""

    day: Day
    made_us: int
    is_open: bool  # The day was not over.
    unheard_edges: tuple[str, ...]  # That said nothing since it ended.
    stored: int
    missing: int  # Given out, not delivered, not declared lost.
    declared_lost: int
    in_quarantine: int  # Delivered, kept as they came, and no scan yet.
    records: DayRecords

    @property
    def taken(self) -> int:
        """What edges say they took."""
        return self.stored + self.missing + self.declared_lost + self.in_quarantine

    @property
    def scans(self) -> int:
        """How many scans of streams are stored."""
        return sum(one.scans for one in self.records.streams)

    @property
    def is_whole(self) -> bool:
        """Whether the day is over, every edge has spoken since, and all taken is stored."""
        return not self.is_open and not self.unheard_edges and self.taken == self.stored


def day_of(site: str, day: date, time_zone: str) -> Day:
    """Find the span of a day, from midnight to midnight where the site is.

    >>> span = day_of("mine", date(2025, 3, 30), "Europe/Berlin")
    >>> (span.to_us - span.from_us) / 3.6e9
    23.0
    """
    zone = ZoneInfo(time_zone)
    begins, ends = (
        instant_us(datetime(one.year, one.month, one.day, tzinfo=zone))
        for one in (day, day + timedelta(days=1))
    )
    return Day(site, day, time_zone, begins, ends)


def state(day: Day, records: DayRecords, edges: Collection[str], now_us: int) -> Statement:
    """State a day; `edges` are those of the site file."""
    is_open = now_us < day.to_us
    heard = {one.edge for one in records.streams if one.is_heard}
    kept = {(one.stream_id, one.seq) for one in records.kept if one.counts}
    return Statement(
        day=day,
        made_us=now_us,
        is_open=is_open,
        unheard_edges=() if is_open else tuple(sorted(set(edges) - heard)),
        stored=sum(one.blocks for one in records.streams),
        missing=sum(one.count for one in records.gaps if not one.is_lost),
        declared_lost=sum(one.count for one in records.gaps if one.is_lost),
        in_quarantine=len(kept),
        records=records,
    )


def expected_scans(channel: ChannelDay, day: Day, now_us: int) -> int | None:
    """Count the instants of the schedule in force on a day, so far; None: it is calculated.

    A schedule is aligned to whole periods since 1970, as an edge's is.
    """
    if channel.calculated:
        return None
    period_us = round(channel.period_s * 1_000_000)
    until_us = max(day.from_us, min(day.to_us, now_us))
    return -(-until_us // period_us) - -(-day.from_us // period_us)


def as_tree(statement: Statement) -> dict[str, object]:
    """Write a statement as JSON values: the same in the API and in a signed file."""
    day, records = statement.day, statement.records
    return {
        "format": FORMAT,
        "site": day.site,
        "day": day.day.isoformat(),
        "time_zone": day.time_zone,
        "from": _instant(day.from_us),
        "to": _instant(day.to_us),
        "made_at": _instant(statement.made_us),
        "open": statement.is_open,
        "whole": statement.is_whole,
        "unheard_edges": list(statement.unheard_edges),
        "taken": statement.taken,
        "stored": statement.stored,
        "missing": statement.missing,
        "declared_lost": statement.declared_lost,
        "in_quarantine": statement.in_quarantine,
        "scans_stored": statement.scans,
        "conflicts": records.conflicts,
        "streams": [asdict(one) for one in records.streams],
        "gaps": [asdict(one) for one in records.gaps],
        "quarantine": [asdict(one) for one in records.kept],
        "channels": [
            {**asdict(one), "expected": expected_scans(one, day, statement.made_us)}
            for one in records.channels
        ],
    }


def as_json(statement: Statement) -> str:
    """Write a statement as one line of JSON."""
    return json.dumps(as_tree(statement), ensure_ascii=False, sort_keys=True)


def as_text(statement: Statement) -> str:
    """Write a statement for people; it ends with a line feed."""
    day, records = statement.day, statement.records
    lines = [
        f"{day.site}, {day.day}, {_instant(day.from_us)} to {_instant(day.to_us)} "
        f"({day.time_zone}); made {_instant(statement.made_us)}",
        f"taken {statement.taken}, stored {statement.stored}, missing {statement.missing} (blocks)",
        f"declared lost {statement.declared_lost}, in quarantine {statement.in_quarantine}, "
        f"scans stored {statement.scans}, conflicts {records.conflicts}",
        *(["The day is not over: this is what is known so far."] if statement.is_open else []),
        *(
            f"Edge {edge} was not heard since the day ended: it may have taken more."
            for edge in statement.unheard_edges
        ),
    ]
    for gap in records.gaps[:GAPS_SHOWN]:
        what = f"lost ({gap.reason or 'no reason is recorded'})" if gap.is_lost else "missing"
        lines.append(f"  {gap.edge}, stream {gap.stream_id}: {gap.first} to {gap.last} {what}")
    if len(records.gaps) > GAPS_SHOWN:
        lines.append(f"  and {len(records.gaps) - GAPS_SHOWN} more places; --json lists all")
    lines += [
        f"  quarantine {one.number}: {one.edge}, number {one.seq}, {one.reason}"
        for one in records.kept
    ]
    lines += [
        f"  {one.channel}: {one.stored} of {_known(expected_scans(one, day, statement.made_us))}, "
        f"good {one.good}, uncertain {one.uncertain}, bad {one.bad}, unread {one.unread}"
        for one in records.channels
    ]
    return "\n".join(lines) + "\n"


def _known(expected: int | None) -> str:
    return "calculated" if expected is None else str(expected)


def _instant(at_us: int) -> str:
    return f"{instant_at(at_us):%Y-%m-%dT%H:%M:%SZ}"
