"""What a site's engine was told, flush by flush, in the recorded order: see decision record 0002.

Inside a flush the scans of each group stand in the order (stream, seq, row in the block), among
them those that no row holds because they came twice. Calculated scans are left out: the
replayed ticks make them again. Rows with negative ordinals are left out too: those that were
merged later, because what came is recorded beside them, and those that came late, because the
engine was not shown them.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from historian.recorded_scans import scans_of
from historian.scan_rows import ScanWrite
from telemetry.clock import instant_us
from telemetry.quality import Quality

# How much of what follows there is, in scans; unstored ones stand in the bodies of inputs.
WEIGHTS = """
    select flush_id, sum(weight)::bigint from (
        select flush_id, count(*) as weight from scan
        where site_id = %(site_id)s and flush_id > %(after)s and flush_id <= %(until)s
        group by flush_id
        union all
        select flush_id, sum(1 + pg_column_size(body) / 200) from input
        where site_id = %(site_id)s and flush_id > %(after)s and flush_id <= %(until)s
        group by flush_id
    ) as parts
    group by flush_id order by flush_id
"""
NEWEST_FLUSH = "select flush_id from site where site_id = %s"
SCANS = """
    select flush_id, group_id, stream_id, seq, ordinal, time, judged_at, raw, value, quality
    from scan
    where site_id = %s and flush_id > %s and flush_id <= %s
      and stream_id is not null and ordinal >= 0
"""
INPUTS = """
    select flush_id, ordinal, kind, body from input
    where site_id = %s and flush_id > %s and flush_id <= %s order by flush_id, ordinal
"""
FLUSHES_AT_ONCE = 100
SCANS_AT_ONCE = 5_000  # Of up to 128 readings. They are read and sorted in a fraction of a second.


@dataclass(frozen=True, slots=True, eq=False)
class RecordedScans:
    """The scans of one group in one flush, in the order in which they counted."""

    group_id: int
    stream_id: NDArray[np.int64]  # [scan]
    seq: NDArray[np.int64]  # [scan]
    ordinal: NDArray[np.int16]  # [scan]
    time_us: NDArray[np.int64]  # [scan]
    judged_us: NDArray[np.int64]  # [scan]
    raw: NDArray[np.float64]  # [scan, slot]
    value: NDArray[np.float64]  # [scan, slot]
    quality: NDArray[np.int16]  # [scan, slot]


@dataclass(frozen=True, slots=True, eq=False)
class FlushRecord:
    """Everything that one flush told the engine."""

    flush_id: int
    inputs: list[tuple[int, str, dict[str, Any]]]  # Ordinal, kind, body; scans are not among them.
    scans: list[RecordedScans]  # By group_id, ascending.


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One scan with all that its place in the order depends on."""

    order: tuple[int, int, int]  # Stream, seq, ordinal.
    time_us: int
    judged_us: int
    raw: Sequence[float] | NDArray[np.float64]
    value: Sequence[float] | NDArray[np.float64]
    quality: Sequence[int] | NDArray[np.int16] | None


Rows = defaultdict[int, defaultdict[int, list[_Row]]]  # By flush_id and group_id.


async def flushes_after(
    connection: AsyncConnection, site_id: int, flush_id: int
) -> AsyncIterator[FlushRecord]:
    """Yield the committed flushes above a number, one after the other.

    Flushes that held nothing for the engine are left out. What is committed while this runs is
    not waited for.
    """
    row = await (await connection.execute(NEWEST_FLUSH, [site_id])).fetchone()
    newest: int = row[0] if row else 0
    for begin in range(flush_id, newest, FLUSHES_AT_ONCE):
        end = min(begin + FLUSHES_AT_ONCE, newest)
        cursor = await connection.execute(
            WEIGHTS, {"site_id": site_id, "after": begin, "until": end}
        )
        after = begin
        for until in stretches(await cursor.fetchall(), SCANS_AT_ONCE):
            for record in await _read(connection, site_id, after, until):
                yield record
            after = until


def stretches(weights: Iterable[tuple[int, int]], most: int) -> list[int]:
    """Cut flushes, given as (flush_id, weight), into stretches; return each stretch's last one.

    A flush is never cut: one that weighs more than the most is a stretch of its own.

    >>> stretches([(1, 3), (2, 4), (5, 9), (6, 1), (9, 2)], 7)
    [2, 5, 9]
    """
    lasts: list[int] = []
    weighed = 0
    for flush_id, weight in weights:
        if lasts and weighed + weight <= most:
            lasts[-1] = flush_id
            weighed += weight
        else:
            lasts.append(flush_id)
            weighed = weight
    return lasts


async def _read(
    connection: AsyncConnection, site_id: int, after: int, until: int
) -> list[FlushRecord]:
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(SCANS, [site_id, after, until])
        rows = _rows_by_flush(await cursor.fetchall())
        await cursor.execute(INPUTS, [site_id, after, until])
        inputs = _inputs_by_flush(await cursor.fetchall(), rows)
    return [
        FlushRecord(
            flush_id=number,
            inputs=inputs[number],
            scans=[
                _recorded(group_id, rows[number][group_id]) for group_id in sorted(rows[number])
            ],
        )
        for number in sorted(rows.keys() | inputs.keys())
    ]


def _rows_by_flush(fetched: Sequence[tuple[Any, ...]]) -> Rows:
    rows: Rows = defaultdict(lambda: defaultdict(list))
    judged_at: datetime | None
    for (
        flush_id,
        group_id,
        stream_id,
        seq,
        ordinal,
        time,
        judged_at,
        raw,
        value,
        quality,
    ) in fetched:
        time_us = instant_us(time)
        rows[flush_id][group_id].append(
            _Row(
                order=(stream_id, seq, ordinal),
                time_us=time_us,
                judged_us=time_us if judged_at is None else instant_us(judged_at),
                raw=raw,
                value=raw if value is None else value,
                quality=quality,
            )
        )
    return rows


def _inputs_by_flush(
    fetched: Sequence[tuple[Any, ...]], rows: Rows
) -> defaultdict[int, list[tuple[int, str, dict[str, Any]]]]:
    """Sort inputs by flush, and put those that are scans among the scans."""
    inputs: defaultdict[int, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    for flush_id, ordinal, kind, body in fetched:
        if kind == "unstored_scans":
            write = scans_of(body)
            rows[flush_id][write.group_id].extend(_rows_of(write))
        else:
            inputs[flush_id].append((ordinal, kind, body))
    return inputs


def _rows_of(write: ScanWrite) -> list[_Row]:
    assert write.stream_id is not None
    assert write.seq is not None
    return [
        _Row(
            order=(write.stream_id, write.seq, int(write.ordinal[n])),
            time_us=int(write.time_us[n]),
            judged_us=int(write.judged_us[n]),
            raw=write.measured[n],
            value=write.value[n],
            quality=write.quality[n],
        )
        for n in range(len(write))
    ]


def _recorded(group_id: int, rows: list[_Row]) -> RecordedScans:
    rows = sorted(rows, key=lambda row: row.order)
    shape = (len(rows), max(len(row.raw) for row in rows))
    raw, value = np.full(shape, np.nan), np.full(shape, np.nan)
    quality = np.full(shape, Quality.NO_VALUE, np.int16)
    for n, row in enumerate(rows):
        slots = len(row.raw)
        raw[n, :slots] = row.raw
        value[n, :slots] = row.value
        quality[n, :slots] = Quality.GOOD if row.quality is None else row.quality
        # The conflict was found only when the scan was stored, after it had been judged.
        judged_as = Quality.GOOD if row.judged_us == row.time_us else Quality.CLOCK_SUSPECT
        quality[n, quality[n] == Quality.CONFLICT] = judged_as
    return RecordedScans(
        group_id=group_id,
        stream_id=np.array([row.order[0] for row in rows], np.int64),
        seq=np.array([row.order[1] for row in rows], np.int64),
        ordinal=np.array([row.order[2] for row in rows], np.int16),
        time_us=np.array([row.time_us for row in rows], np.int64),
        judged_us=np.array([row.judged_us for row in rows], np.int64),
        raw=raw,
        value=value,
        quality=quality,
    )
