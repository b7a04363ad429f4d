"""What was measured, read back: the history of a channel and the newest scans.

A history is fetched part by part, each reading as one string of bytes that NumPy takes as it is,
and thinned out as it comes: a request for ten years of seconds needs memory for a part and for
its points, no more.
"""

from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from historian.copy_binary import POSTGRES_EPOCH_US
from historian.decimation import EMPTY, Series, break_gaps, decimate, join
from historian.latest import LatestScan, read_latest
from historian.replay import FlushRecord, RecordedScans, flushes_after
from telemetry.clock import instant_at
from telemetry.quality import Quality, is_bad, shown

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
           || boolsend(coalesce((coalesce(value, raw))[%(element)s], 'NaN') <> 'NaN'
                       or coalesce((coalesce(raw, value))[%(element)s], 'NaN') <> 'NaN')
    from scan
    where site_id = %(site_id)s and group_id = %(group_id)s
      and time >= %(from_at)s and time < %(to_at)s
    order by time, revision
"""
PACKED = np.dtype([("time", ">i8"), ("value", ">f8"), ("quality", ">i2"), ("came", "?")])
PART_READINGS = 50_000
# A stretch without scans breaks the line when it is longer than so many periods: after as
# many, a group counts as silent too.
GAP_PERIODS = 3

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
    newest_came = np.empty(0, np.bool_)
    gap_us = 0
    async for part, part_came in _parts(connection, site_id, group_id, slot, span_us):
        # The newest reading waits for the next part: only then it shows whether another
        # revision of it, or a gap, follows.
        joined, came = join([newest, part]), np.concatenate([newest_came, part_came])
        readings = first_revisions(joined, came)
        newest_came = np.array([came[joined.time_us == joined.time_us[-1]].any()])
        gap_us = gap_us or longest_us(readings, period_us)
        whole = break_gaps(readings, gap_us)
        newest = whole.chosen(np.array([len(whole) - 1]))
        kept = decimate(join([kept, whole.chosen(np.arange(len(whole) - 1))]), points, span_us)
    return decimate(join([kept, newest]), points, span_us)


def first_revisions(series: Series, came: NDArray[np.bool_]) -> Series:
    """Keep one of the readings that stand at one instant: the first for which a number came.

    A scan contradicts another as a whole, and is kept beside it; of its channels most may say the
    same, and some may be ones that the first scan knew nothing of. What came first stands, also
    where it is bad, and is marked if a later number differs from it.
    """
    first = np.concatenate([[True], np.diff(series.time_us) != 0])[: len(series)]
    if first.all():
        return series
    instant = np.cumsum(first) - 1
    chosen = np.flatnonzero(first)
    with_number = np.flatnonzero(came)
    instants, at = np.unique(instant[with_number], return_index=True)
    chosen[instants] = with_number[at]

    counts = chosen[instant]
    differs = ~np.isnan(series.value) & (series.value != series.value[counts])
    contradicted = counts[differs & ~is_bad(series.quality[counts])]
    quality = series.quality.copy()
    quality[contradicted] = Quality.CONFLICT
    return Series(series.time_us[chosen], series.value[chosen], quality[chosen])


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
) -> AsyncIterator[tuple[Series, NDArray[np.bool_]]]:
    """Fetch a channel's readings in the order of time, part by part; tell which numbers came."""
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
            quality = rows["quality"].astype(np.int16)
            series = Series(
                rows["time"].astype(np.int64) + POSTGRES_EPOCH_US,
                shown(rows["value"].astype(np.float64), quality),
                quality,
            )
            yield series, rows["came"].copy()
