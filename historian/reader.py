"""What was measured, read back: the history of a channel and the newest scans.

A history is fetched part by part, each reading as one string of bytes that NumPy takes as it is,
and thinned out as it comes: a request for ten years of seconds needs memory for a part and for
its points, no more.
"""

from collections.abc import AsyncIterator

import numpy as np
from psycopg import AsyncConnection

from historian.copy_binary import POSTGRES_EPOCH_US
from historian.decimation import EMPTY, Series, break_gaps, decimate, join
from historian.latest import LatestScan, read_latest
from historian.replay import FlushRecord, RecordedScans, flushes_after
from telemetry.clock import instant_at
from telemetry.quality import Quality, is_bad

__all__ = [
    "FlushRecord",
    "LatestScan",
    "RecordedScans",
    "Series",
    "flushes_after",
    "history",
    "latest",
]

PERIOD = "select period_s from scan_group where site_id = %s and group_id = %s"
# Elements beyond an array's end are NULL: such a scan knew nothing of the slot.
PACKED_READINGS = """
    select timestamptz_send(time)
           || float8send(coalesce((coalesce(value, raw))[%(element)s], 'NaN'))
           || int2send(case when (coalesce(value, raw))[%(element)s] is null
                       then %(no_value)s::smallint
                       else coalesce(quality[%(element)s], 0::smallint) end)
    from scan
    where site_id = %(site_id)s and group_id = %(group_id)s
      and time >= %(from_at)s and time < %(to_at)s
    order by time, revision
"""
PACKED = np.dtype([("time", ">i8"), ("value", ">f8"), ("quality", ">i2")])
PART_READINGS = 50_000
# A stretch without scans breaks the line when it is longer than so many periods: after as
# many, a group counts as silent too.
GAP_PERIODS = 3
# Why there is no number at all, good or bad: of such a slot another scan may know more.
NOTHING_CAME = (
    Quality.NO_VALUE,
    Quality.NO_REPLY,
    Quality.DEVICE_ERROR,
    Quality.NO_CONNECTION,
    Quality.NOT_FINITE,
    Quality.NO_VALUE_CODE,
)

latest = read_latest


async def history(
    connection: AsyncConnection,
    site_id: int,
    group_id: int,
    slot: int,
    from_us: int,
    to_us: int,
    points: int,
) -> Series:
    """Return a channel's readings in [from, to): at most so many points, extremes among them.

    Where scans contradict each other the first number to arrive counts, marked as a conflict.
    Bad readings are NaN, and so are stretches in which no scan came.
    """
    span_us = range(from_us, max(from_us, to_us))
    period_us = await _period_us(connection, site_id, group_id)
    kept, newest = EMPTY, EMPTY
    gap_us = 0
    async for part in _parts(connection, site_id, group_id, slot, span_us):
        # The newest reading waits for the next part: only then it shows whether another
        # revision of it, or a gap, follows.
        readings = first_revisions(join([newest, part]))
        gap_us = gap_us or longest_us(readings, period_us)
        whole = break_gaps(readings, gap_us)
        newest = whole.chosen(np.array([len(whole) - 1]))
        kept = decimate(join([kept, whole.chosen(np.arange(len(whole) - 1))]), points, span_us)
    return decimate(join([kept, newest]), points, span_us)


def first_revisions(series: Series) -> Series:
    """Keep of each instant the first reading that came, marked if another one differs.

    A scan contradicts another as a whole; of its channels most may say the same, and some may
    stand in the later one alone.
    """
    is_first = np.concatenate([[True], np.diff(series.time_us) != 0])[: len(series)]
    if is_first.all():
        return series
    instant = np.cumsum(is_first) - 1
    came = np.flatnonzero(~np.isin(series.quality, NOTHING_CAME))
    first = np.flatnonzero(is_first)
    first[instant[came[::-1]]] = came[::-1]  # Backwards, so that the first is written last.
    beside = first[instant]
    differs = ~np.isnan(series.value) & (series.value != series.value[beside])
    contradicted = beside[differs & ~is_bad(series.quality[beside])]
    quality = series.quality.copy()
    quality[contradicted] = Quality.CONFLICT
    return Series(series.time_us[first], series.value[first], quality[first])


def longest_us(series: Series, period_us: int) -> int:
    """Say how far apart readings may stand before the line between them breaks.

    The period in the site file may have been longer once, so what is usual in the data counts too.
    """
    usual_us = int(np.median(np.diff(series.time_us))) if len(series) > 1 else 0
    return GAP_PERIODS * max(period_us, usual_us, 1)


async def _period_us(connection: AsyncConnection, site_id: int, group_id: int) -> int:
    row = await (await connection.execute(PERIOD, [site_id, group_id])).fetchone()
    return round(row[0] * 1_000_000) if row else 0


async def _parts(
    connection: AsyncConnection, site_id: int, group_id: int, slot: int, span_us: range
) -> AsyncIterator[Series]:
    """Fetch a channel's readings in the order of time, a part after the other."""
    arguments = {
        "site_id": site_id,
        "group_id": group_id,
        "element": slot + 1,
        "from_at": instant_at(span_us.start),
        "to_at": instant_at(span_us.stop),
        "no_value": int(Quality.NO_VALUE),
    }
    # A cursor of the server's lives in a transaction, and makes it walk along the index.
    async with (
        connection.transaction(),
        connection.cursor(name="history", binary=True) as cursor,
    ):
        await cursor.execute(PACKED_READINGS, arguments)
        while fetched := await cursor.fetchmany(PART_READINGS):
            rows = np.frombuffer(b"".join(packed for (packed,) in fetched), PACKED)
            yield Series(
                rows["time"].astype(np.int64) + POSTGRES_EPOCH_US,
                rows["value"].astype(np.float64),
                rows["quality"].astype(np.int16),
            )
