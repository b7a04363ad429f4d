"""Binned means: what each channel showed in each stretch of time, the input of all slow methods.

A bin holds count, sum, smallest and largest of the good readings whose instants fall into it.
Sums are whole numbers of 2**-44 units, so that adding is exact and its order means nothing: bins
come out the same to the last bit however readings were cut into flushes, in whatever order they
came, and however partial bins were merged. Bins stand in a ring of fixed length; the newest
instant moves it on, and what falls out behind is gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.rounds import Cells
from telemetry.quality import is_bad
from telemetry.scan import JudgedScans

NO_BIN: Final = -(2**62)  # The newest bin where nothing has come yet.
PART_BITS: Final = 44  # A value is kept to 6e-14 of its unit, far below what instruments resolve.
PART_MASK: Final = (1 << PART_BITS) - 1
SUMMABLE_MAX: Final = 2.0**44  # 1.8e13; nothing at a mine is measured in units so small.
READINGS_MAX: Final = 2**18  # In one bin; more could overflow a sum. Three a second for a day.


@dataclass(slots=True, eq=False)
class Bins:
    """The bins of all channels, to be added to in place; column is bin number modulo length."""

    width_us: int  # Bin n covers [n, n + 1) times this, since 1970 UTC.
    newest: int  # The number of the newest bin, NO_BIN where nothing has come.
    count: NDArray[np.int64]  # [channel, column] good readings
    whole: NDArray[np.int64]  # [channel, column] of their sum: the whole part
    parts: NDArray[np.int64]  # [channel, column] and the rest, in units of 2**-44, below 2**44
    low: NDArray[np.float64]  # [channel, column] +inf where a bin holds nothing
    high: NDArray[np.float64]  # [channel, column] -inf where a bin holds nothing

    @classmethod
    def empty(cls, *, channels: int, width_us: int, length: int) -> "Bins":
        """Begin with nothing; `length` bins are remembered."""
        assert width_us > 0
        assert length > 0
        shape = (channels, length)
        return cls(
            width_us=width_us,
            newest=NO_BIN,
            count=np.zeros(shape, np.int64),
            whole=np.zeros(shape, np.int64),
            parts=np.zeros(shape, np.int64),
            low=np.full(shape, np.inf),
            high=np.full(shape, -np.inf),
        )

    @property
    def length(self) -> int:
        """How many bins are remembered."""
        return int(self.count.shape[1])

    @property
    def oldest(self) -> int:
        """The number of the oldest bin that is still held."""
        return self.newest - self.length + 1

    def add(self, scans: Iterable[JudgedScans], cells: Cells) -> int:
        """Add scans by the instants they are judged at; return how many came too late to count.

        A bad reading, NaN, infinity, and anything beyond 1.8e13 is missing. A reading that is older
        than the oldest bin is left out, and counted in the answer. Each reading must come once.
        """
        return sum(self._add_group(one, cells) for one in scans)

    def _add_group(self, scans: JudgedScans, cells: Cells) -> int:
        if not len(scans.judged_us):
            return 0
        first, last = cells.first[scans.group : scans.group + 2]
        channels = cells.channel[first:last][: scans.value.shape[1]]  # Old rows may be shorter.
        used = channels < len(self.count)  # A slot without a channel stands one past the last.
        good = np.where(is_bad(scans.quality), np.nan, scans.value)
        value = good[:, : len(channels)][:, used]
        bins = scans.judged_us // self.width_us
        if not bool(np.all(bins[1:] >= bins[:-1])):
            order = np.argsort(bins, kind="stable")
            value, bins = value[order], bins[order]
        self.move_to(int(bins[-1]))
        held = int(np.searchsorted(bins, self.oldest))
        missed = int(np.count_nonzero(_summable(value[:held])))
        if held < len(bins):
            self._add_rows(bins[held:], value[held:], channels[used])
        return missed

    def _add_rows(
        self,
        bins: NDArray[np.int64],  # [scan] ascending, all of them held
        value: NDArray[np.float64],  # [scan, slot]
        channels: NDArray[np.int64],  # [slot]
    ) -> None:
        begins = np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))
        where = np.ix_(channels, bins[begins] % self.length)
        good = _summable(value)
        known = np.where(good, value, 0.0)
        whole = np.floor(known)
        parts = np.rint(np.ldexp(known - whole, PART_BITS)).astype(np.int64)
        count = self.count[where] + np.add.reduceat(good.astype(np.int64), begins, axis=0).T
        if int(np.max(count, initial=0)) > READINGS_MAX:
            raise OverflowError(
                f"more than {READINGS_MAX} readings in a bin of {self.width_us} µs can't be summed "
                "exactly: choose shorter bins"
            )
        self.count[where] = count
        summed = self.parts[where] + np.add.reduceat(parts, begins, axis=0).T
        carried = np.add.reduceat(whole.astype(np.int64), begins, axis=0).T + (summed >> PART_BITS)
        self.whole[where] += carried
        self.parts[where] = summed & PART_MASK
        lowest = np.minimum.reduceat(np.where(good, value, np.inf), begins, axis=0).T
        highest = np.maximum.reduceat(np.where(good, value, -np.inf), begins, axis=0).T
        self.low[where] = np.minimum(self.low[where], lowest)
        self.high[where] = np.maximum(self.high[where], highest)

    def move_to(self, newest: int) -> None:
        """Let a newer bin be the newest, and empty the columns that it and those before it take."""
        if newest <= self.newest:
            return
        cleared = min(newest - self.newest, self.length)
        columns = np.arange(newest - cleared + 1, newest + 1) % self.length
        self.newest = newest
        for name in ("count", "whole", "parts"):
            getattr(self, name)[:, columns] = 0
        self.low[:, columns], self.high[:, columns] = np.inf, -np.inf

    def merged(self, other: "Bins") -> "Bins":
        """Join two sets of bins over the same channels, each of which saw other readings."""
        assert (self.width_us, self.count.shape) == (other.width_us, other.count.shape)
        one, two = self.copy(), other.copy()
        newest = max(one.newest, two.newest)
        one.move_to(newest)
        two.move_to(newest)
        one.count += two.count
        summed = one.parts + two.parts
        one.whole += two.whole + (summed >> PART_BITS)
        one.parts = summed & PART_MASK
        one.low = np.minimum(one.low, two.low)
        one.high = np.maximum(one.high, two.high)
        return one

    def copy(self) -> "Bins":
        """Copy everything, so that one can go on without the other."""
        return Bins.of_arrays({name: array.copy() for name, array in self.arrays().items()})

    def for_channels(self, before: NDArray[np.int64]) -> "Bins":
        """Fit to another configuration: row n is what row before[n] was, -1 where it is new."""
        fresh = Bins.empty(channels=len(before), width_us=self.width_us, length=self.length)
        fresh.newest = self.newest
        known = before >= 0
        for name in ("count", "whole", "parts", "low", "high"):
            getattr(fresh, name)[known] = getattr(self, name)[before[known]]
        return fresh

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as plain arrays for a checkpoint."""
        return {one.name: np.asarray(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Bins":
        """Take up what `arrays` wrote down; raise ValueError where it does not fit together."""
        try:
            found: dict[str, NDArray[Any]] = {
                one.name: np.asarray(arrays[one.name]).astype(
                    np.float64 if one.name in {"low", "high"} else np.int64, casting="safe"
                )
                for one in fields(cls)
            }
            width_us, newest = int(found.pop("width_us")), int(found.pop("newest"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"these arrays are no binned means: {error}") from error
        shapes = {array.shape for array in found.values()}
        if len(shapes) != 1 or len(min(shapes)) != 2 or min(width_us, *min(shapes)[1:]) < 1:
            raise ValueError(f"these arrays are no binned means: shapes {sorted(shapes)}")
        return cls(width_us=width_us, newest=newest, **found)


def _summable(value: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.abs(value) < SUMMABLE_MAX
