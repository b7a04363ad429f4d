"""Scans as rows of the table `scan`: which columns are NULL, and the bytes of a COPY."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from historian.copy_binary import Column, Rows, encode
from telemetry.quality import Quality

COPY_SCANS = """
    copy scan (site_id, group_id, time, revision, raw, value, quality,
               flush_id, stream_id, seq, ordinal, judged_at)
    from stdin (format binary)
"""


# Minus its place in the block, the ordinal of a scan that the engine was not shown as it stands
# in its row, because it was late or has been merged since: replays leave negative ones out.
NOT_REPLAYED = -1


@dataclass(frozen=True, slots=True, eq=False)
class ScanWrite:
    """Scans of one group to be stored: a block from an edge, or what the ticks computed."""

    group_id: int
    stream_id: int | None  # None with seq: calculated at the centre.
    seq: int | None
    time_us: NDArray[np.int64]  # [scan]
    judged_us: NDArray[np.int64]  # [scan]
    ordinal: NDArray[np.int16]  # [scan] row within the block; negative: see NOT_REPLAYED
    raw: NDArray[np.float64] | None  # [scan, slot]; None: calculated
    value: NDArray[np.float64]  # [scan, slot]
    quality: NDArray[np.int16]  # [scan, slot]
    # [scan] how many equal scans of the same instant came before it from the same source, which
    # are all to be kept: a file's clock was set back. None: whatever comes again is a duplicate.
    copies: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse columns that do not fit together: that is a bug, not bad input."""
        scans = len(self.time_us)
        assert self.value.ndim == 2
        assert self.value.shape == self.quality.shape
        assert self.raw is None or self.raw.shape == self.value.shape
        assert scans == len(self.value) == len(self.judged_us) == len(self.ordinal)

    def __len__(self) -> int:
        """How many scans there are."""
        return len(self.time_us)

    @property
    def measured(self) -> NDArray[np.float64]:
        """What was measured or, for calculated scans, computed: what tells two scans apart."""
        return self.value if self.raw is None else self.raw

    def rows(self, chosen: NDArray[np.intp]) -> "ScanWrite":
        """Take some of the scans."""
        return replace(
            self,
            time_us=self.time_us[chosen],
            judged_us=self.judged_us[chosen],
            ordinal=self.ordinal[chosen],
            raw=None if self.raw is None else self.raw[chosen],
            value=self.value[chosen],
            quality=self.quality[chosen],
            copies=None if self.copies is None else self.copies[chosen],
        )


def encode_scans(
    site_id: int, flush_id: int, writes: Sequence[ScanWrite], *, revision: int = 0
) -> bytes:
    """Pack scans for `COPY_SCANS`."""
    return encode(_rows_of(site_id, flush_id, alike, revision) for alike in _alike(writes))


def same_numbers(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell row by row whether all slots are equal; a missing one equals a missing one."""
    return np.asarray(((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1))


def _alike(writes: Iterable[ScanWrite]) -> list[list[ScanWrite]]:
    """Put writes together whose rows can be packed as one: equal slots, raw or none."""

    def kind(write: ScanWrite) -> tuple[int, bool]:
        return write.value.shape[1], write.raw is None

    filled = sorted((write for write in writes if len(write)), key=kind)
    return [list(alike) for _, alike in groupby(filled, key=kind)]


def _rows_of(site_id: int, flush_id: int, alike: Sequence[ScanWrite], revision: int) -> Rows:
    scans = [len(write) for write in alike]
    total = sum(scans)
    time_us = np.concatenate([write.time_us for write in alike])
    judged_us = np.concatenate([write.judged_us for write in alike])
    value = np.concatenate([write.value for write in alike])
    quality = np.concatenate([write.quality for write in alike])
    raw = None
    if alike[0].raw is not None:
        raw = np.concatenate([write.measured for write in alike])
    # Streams and block numbers begin with 1 and 0, so that -1 can stand for none here.
    stream_id = np.repeat([-1 if one.stream_id is None else one.stream_id for one in alike], scans)
    seq = np.repeat([-1 if write.seq is None else write.seq for write in alike], scans)
    columns = [
        Column("int4", np.full(total, site_id)),
        Column("int4", np.repeat([write.group_id for write in alike], scans)),
        Column("timestamptz", time_us),
        Column("int2", np.full(total, revision)),
        Column("float8[]", raw),
        Column("float8[]", value, None if raw is None else same_numbers(raw, value)),
        Column("int2[]", quality, (quality == Quality.GOOD).all(axis=1)),
        Column("int8", np.full(total, flush_id)),
        Column("int4", stream_id, stream_id < 0),
        Column("int8", seq, seq < 0),
        Column("int2", np.concatenate([write.ordinal for write in alike])),
        Column("timestamptz", judged_us, judged_us == time_us),
    ]
    return Rows(columns, total)
