"""The ledger of a site's day: what its edges say they took, and what the store holds of it.

A day is [from, to) in UTC microseconds; whoever asks makes it from the site's time zone. A number
of a stream that never came has no time of its own. It was given out between the numbers before
and after it, so it is counted on every day on which it may have been taken.
"""

from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import class_row

from telemetry.clock import instant_at
from telemetry.quality import FIRST_BAD, Quality

Row = TypeVar("Row")

STREAMS = """
with day as (
    select stream_id, count(distinct seq) as blocks, count(*) filter (where revision = 0) as scans
    from scan
    where site_id = %(site)s and time >= %(from)s and time < %(to)s and stream_id is not null
    group by stream_id
)
select stream.stream_id, edge, epoch::text as epoch, kind,
       coalesce(day.blocks, 0) as blocks, coalesce(day.scans, 0) as scans,
       greatest(announced, coalesce(upper(delivered), 1) - 1, coalesce(upper(declared_lost), 1) - 1)
           as given_out,
       announced_at is not null and announced_at >= %(to)s
       or exists (select from latest where latest.site_id = stream.site_id
                  and latest.stream_id = stream.stream_id and latest.time >= %(to)s) as is_heard
from stream left join day using (stream_id)
where stream.site_id = %(site)s
order by stream_id
"""
# All between 1 and the highest number given out that did not come. Only edges count from 1 on.
GAPS = """
with known as (
    select stream_id, edge, delivered, declared_lost,
           int8multirange(int8range(1, 1 + greatest(announced, coalesce(upper(delivered), 1) - 1,
                                                    coalesce(upper(declared_lost), 1) - 1)))
               - delivered as absent
    from stream where site_id = %(site)s and kind = 'edge'
), gapped as (
    select * from known where not isempty(absent)
), bounds as (
    select gapped.stream_id,
           max(seq) filter (where time < %(from)s) as before,
           min(seq) filter (where time >= %(to)s) as after
    from gapped join scan on scan.site_id = %(site)s and scan.stream_id = gapped.stream_id
    group by gapped.stream_id
), lives as (  -- An edge that has begun a new spool gives out no number of the old one any more.
    select gapped.stream_id,
           max(time) filter (where scan.stream_id < gapped.stream_id) as begins,
           min(time) filter (where scan.stream_id > gapped.stream_id) as ends
    from gapped join stream as other on other.site_id = %(site)s and other.edge = gapped.edge
    join scan on scan.site_id = %(site)s and scan.stream_id = other.stream_id
    group by gapped.stream_id
), possible as (
    select gapped.stream_id, edge, absent, declared_lost,
           int8range(coalesce(before, 0) + 1, after) as here
    from gapped left join bounds using (stream_id) left join lives using (stream_id)
    where (after is not null or ends is null or ends >= %(from)s)
      and (before is not null or begins is null or begins < %(to)s)
      and coalesce(before, 0) + 1 < coalesce(after, 9223372036854775807)
), pieces as (
    select stream_id, edge, true as is_lost,
           unnest(absent * declared_lost * int8multirange(here)) as piece from possible
    union all
    select stream_id, edge, false,
           unnest((absent - declared_lost) * int8multirange(here)) from possible
)
select stream_id, edge, is_lost, lower(piece) as first, upper(piece) - 1 as last,
       coalesce((select string_agg(distinct reason, '; ') from loss
                 where is_lost and loss.stream_id = pieces.stream_id
                   and loss.first < upper(piece) and loss.last >= lower(piece)), '') as reason
from pieces order by stream_id, first
"""
# By receipt: what can't be stored has no time that could be trusted. A block that another one of
# the same number stands for took no number of its own.
KEPT = """
select number, edge, quarantine.stream_id, seq, reason, reason <> 'content_differs'
       and quarantine.stream_id is not null
       and not exists (select from scan where scan.site_id = %(site)s and time >= %(from)s
                       and time < %(to)s and scan.stream_id = quarantine.stream_id
                       and scan.seq = quarantine.seq) as counts
from quarantine
where site_id = %(site)s and received_at >= %(from)s and received_at < %(to)s
order by number
"""
# Most scans are good throughout: they are counted by their widths, and never taken apart.
CHANNELS = """
with row as (
    select group_id, quality, coalesce(cardinality(raw), cardinality(value)) as width
    from scan
    where site_id = %(site)s and time >= %(from)s and time < %(to)s and revision = 0
), wide as (
    select group_id, width, count(*) as scans from row where quality is null group by 1, 2
), marked as (
    select group_id, place - 1 as slot, mark, count(*) as scans
    from row, unnest(quality) with ordinality as one (mark, place)
    where quality is not null group by 1, 2, 3
)
select channel.key as channel, scan_group.key as scan_group, calculated, period_s,
       coalesce((select sum(scans) from wide where wide.group_id = channel.group_id
                 and width > channel.slot), 0)::bigint
           + coalesce(sum(scans) filter (where mark = 0), 0)::bigint as good,
       coalesce(sum(scans) filter (where mark > 0 and mark < %(bad)s), 0)::bigint as uncertain,
       coalesce(sum(scans) filter (where mark >= %(bad)s
                                   and not mark between %(bad)s and %(unread)s), 0)::bigint as bad,
       coalesce(sum(scans) filter (where mark between %(bad)s and %(unread)s), 0)::bigint as unread
from channel join scan_group
    on scan_group.site_id = channel.site_id and scan_group.group_id = channel.group_id
left join marked on marked.group_id = channel.group_id and marked.slot = channel.slot
where channel.site_id = %(site)s
group by channel.key, scan_group.key, calculated, period_s, channel.group_id, channel.slot
order by channel.group_id, channel.slot
"""
CONFLICTS = """
select count(*) from scan
where site_id = %(site)s and time >= %(from)s and time < %(to)s and revision > 0
"""


@dataclass(frozen=True, slots=True)
class StreamDay:
    """What the store holds of one stream's day."""

    stream_id: int
    edge: str
    epoch: str
    kind: str
    blocks: int  # With scans of the day.
    scans: int
    given_out: int  # The highest number that the stream is known to have given out.
    is_heard: bool  # The edge has said something of it since the day ended.


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers first to last that never came; declared lost, or missing until they come."""

    stream_id: int
    edge: str
    is_lost: bool
    first: int
    last: int
    reason: str  # Why they are lost, as the edge said; empty: it is not recorded.

    @property
    def count(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class KeptBlock:
    """A block in quarantine that was received on the day."""

    number: int
    edge: str
    stream_id: int | None
    seq: int | None
    reason: str
    counts: bool  # It took a number of its own, and no scan of the day is of it.


@dataclass(frozen=True, slots=True)
class ChannelDay:
    """How many readings of a channel the store holds of a day, by what they are worth."""

    channel: str
    scan_group: str
    calculated: bool
    period_s: float
    good: int
    uncertain: int
    bad: int
    unread: int  # The device or its line gave nothing: the scan says so, and that is stored.

    @property
    def stored(self) -> int:
        """How many scans say something of the channel."""
        return self.good + self.uncertain + self.bad + self.unread


@dataclass(frozen=True, slots=True)
class DayRecords:
    """Everything that the store knows of a day."""

    streams: tuple[StreamDay, ...]
    gaps: tuple[Gap, ...]
    kept: tuple[KeptBlock, ...]
    channels: tuple[ChannelDay, ...]
    conflicts: int  # Scans of an instant for which others were stored already.


async def read_day(
    connection: AsyncConnection, site_id: int, from_us: int, to_us: int
) -> DayRecords:
    """Read a site's day, as one state of the store: in a transaction of its own."""
    asked = {
        "site": site_id,
        "from": instant_at(from_us),
        "to": instant_at(to_us),
        "bad": FIRST_BAD,
        "unread": int(Quality.NO_CONNECTION),
    }
    async with connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")
        row = await (await connection.execute(CONFLICTS, asked)).fetchone()
        assert row is not None
        return DayRecords(
            streams=await _all(connection, StreamDay, STREAMS, asked),
            gaps=await _all(connection, Gap, GAPS, asked),
            kept=await _all(connection, KeptBlock, KEPT, asked),
            channels=await _all(connection, ChannelDay, CHANNELS, asked),
            conflicts=row[0],
        )


async def _all(
    connection: AsyncConnection, kind: type[Row], query: LiteralString, asked: dict[str, Any]
) -> tuple[Row, ...]:
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(query, asked)
        return tuple(await cursor.fetchall())
