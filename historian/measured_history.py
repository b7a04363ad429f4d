"""What a site's instruments measured, stretch by stretch of time, as raw numbers.

For whoever judges history anew. A scan comes as one string of bytes that NumPy takes as it is, and
scans of equal form are taken together, so that a core reads some million readings a second.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from historian.copy_binary import POSTGRES_EPOCH_US
from telemetry.clock import instant_at, instant_us
from telemetry.quality import Quality

# Group, instants, slots, whether qualities are told; then both arrays as PostgreSQL sends them.
PACKED_SCANS = """
    select int4send(group_id) || timestamptz_send(time)
           || timestamptz_send(coalesce(judged_at, time))
           || int2send(cardinality(raw)::smallint) || boolsend(quality is not null)
           || array_send(raw) || coalesce(array_send(quality), ''::bytea)
    from scan
    where site_id = %(site_id)s and raw is not null and cardinality(raw) > 0
      and group_id = any(%(group_ids)s)
"""
BY_TIME = """
      and judged_at is null and time >= %(from_at)s and time < %(to_at)s
    order by group_id, time, revision limit %(most)s
"""
# Whatever the stamp of such a scan says, it was judged at another instant.
REPAIRED = """
      and judged_at >= %(from_at)s and judged_at < %(to_at)s
    order by group_id, judged_at, revision limit %(most)s
"""
ENDS = """
    select asked.group_id, ends.first_at, ends.last_at
    from unnest(%(group_ids)s::integer[]) as asked (group_id)
    cross join lateral (
        select min(time) as first_at, max(time) as last_at from scan
        where site_id = %(site_id)s and scan.group_id = asked.group_id
          and time >= %(from_at)s and time < %(to_at)s
    ) as ends
    where ends.first_at is not null
"""
ROWS_AT_ONCE = 5_000
ARRAY_HEAD = [(name, ">i4") for name in ("dimensions", "nulls", "type", "size", "lower")]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredScans:
    """Scans of one group as they were measured, one an instant, ascending."""

    group_id: int
    time_us: NDArray[np.int64]  # [scan] as stamped
    judged_us: NDArray[np.int64]  # [scan] the same, but where the clock was wrong
    raw: NDArray[np.float64]  # [scan, slot]
    quality: NDArray[np.int16]  # [scan, slot] as stored


async def measured_scans(
    connection: AsyncConnection,
    site_id: int,
    group_ids: Sequence[int],
    span_us: range,
    *,
    most: int,
    repaired: bool = False,
) -> list[MeasuredScans] | None:
    """Read the scans of a stretch of time; None when there are more than the most.

    Those whose clock was wrong are asked for by themselves (`repaired`), by the instant at which
    they were judged. Where scans of one instant contradict each other, the number counts that came
    first, slot by slot. Call it in a transaction.
    """
    arguments = {
        "site_id": site_id,
        "group_ids": list(group_ids),
        "from_at": instant_at(span_us.start),
        "to_at": instant_at(span_us.stop),
        "most": most + 1,
    }
    rows: list[bytes] = []
    async with connection.cursor(name="measured", binary=True) as cursor:
        await cursor.execute(PACKED_SCANS + (REPAIRED if repaired else BY_TIME), arguments)
        while fetched := await cursor.fetchmany(ROWS_AT_ONCE):
            rows.extend(packed for (packed,) in fetched)
    return None if len(rows) > most else unpacked(rows)


async def ends_of_groups(
    connection: AsyncConnection, site_id: int, group_ids: Sequence[int], span_us: range
) -> dict[int, tuple[int, int]]:
    """Return the instants of each group's first and last scan within a span."""
    arguments = {
        "site_id": site_id,
        "group_ids": list(group_ids),
        "from_at": instant_at(span_us.start),
        "to_at": instant_at(span_us.stop),
    }
    rows = await (await connection.execute(ENDS, arguments)).fetchall()
    return {group_id: (instant_us(first), instant_us(last)) for group_id, first, last in rows}


def unpacked(rows: Sequence[bytes]) -> list[MeasuredScans]:
    """Unpack scans; rows of a group stand together, and ascend."""
    by_group: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for row in rows:
        by_group[row[:4]].append(row)
    return [_of_group(int.from_bytes(key, "big", signed=True), of) for key, of in by_group.items()]


def _of_group(group_id: int, rows: Sequence[bytes]) -> MeasuredScans:
    alike: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        alike[len(row), row[20:23]].append(n)
    widest = max(int.from_bytes(form[:2], "big") for _, form in alike)
    time_us = np.empty(len(rows), np.int64)
    judged_us = np.empty(len(rows), np.int64)
    raw = np.full((len(rows), widest), np.nan)
    quality = np.full((len(rows), widest), Quality.NO_VALUE, np.int16)
    for (_, form), places in alike.items():
        slots, told = int.from_bytes(form[:2], "big"), form[2] != 0
        whole = len(places) == len(rows)
        packed = np.frombuffer(
            b"".join(rows if whole else [rows[n] for n in places]), _form(slots, told)
        )
        at: slice | list[int] = slice(None) if whole else places
        time_us[at] = packed["time"] + POSTGRES_EPOCH_US
        judged_us[at] = packed["judged"] + POSTGRES_EPOCH_US
        raw[at, :slots] = packed["raw"]["element"]
        quality[at, :slots] = packed["quality"]["element"] if told else Quality.GOOD
    return _first_numbers(MeasuredScans(group_id, time_us, judged_us, raw, quality))


def _form(slots: int, told: bool) -> np.dtype[np.void]:
    fields: list[tuple[object, ...]] = [
        ("group", ">i4"),
        ("time", ">i8"),
        ("judged", ">i8"),
        ("slots", ">i2"),
        ("told", "?"),
        ("raw head", ARRAY_HEAD),
        ("raw", [("size", ">i4"), ("element", ">f8")], (slots,)),
    ]
    if told:
        fields += [
            ("quality head", ARRAY_HEAD),
            ("quality", [("size", ">i4"), ("element", ">i2")], (slots,)),
        ]
    return np.dtype(fields)


def _first_numbers(scans: MeasuredScans) -> MeasuredScans:
    """Keep one scan of each instant: of the numbers in a slot, the one that came first."""
    again = np.flatnonzero(np.diff(scans.judged_us) == 0) + 1
    if not len(again):
        return scans
    first = np.concatenate([[True], np.diff(scans.judged_us) != 0])
    stands = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    for n in again.tolist():
        row = stands[n]
        fills = np.isnan(scans.raw[row]) & ~np.isnan(scans.raw[n])
        scans.raw[row, fills] = scans.raw[n, fills]
        scans.quality[row, fills] = scans.quality[n, fills]
    return MeasuredScans(
        scans.group_id,
        scans.time_us[first],
        scans.judged_us[first],
        scans.raw[first],
        scans.quality[first],
    )
