"""From raw numbers to engineering values, whole blocks of scans at a time.

For each group a `GroupConverter` is made once per configuration. It works column-wise over
all channels of a kind: first what needs no companion, then what needs those, and so on. The
raw numbers stay as they are; a value that cannot be trusted becomes NaN, and its quality says
why. What was bad already stays bad for the reason that it came with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from telemetry.instrument_formulas import Columns, Matrix, Row, Stage, stages_of
from telemetry.plan import GroupPlan
from telemetry.quality import FIRST_BAD, Quality
from telemetry.site import Channel, VibratingWire


class GroupConverter:
    """Everything that turns the raw scans of one group into values, laid out as arrays."""

    def __init__(self, plan: GroupPlan) -> None:
        """Lay out the conversions of a checked group; its companions must not be cyclic."""
        self.slot_count = plan.slot_count
        self._unused = np.ones(plan.slot_count, dtype=np.bool_)
        self._unused[[channel.slot for channel in plan.channels]] = False
        self._slots = np.arange(plan.slot_count)
        self._electrical = _bounds(plan, "electrical_range")
        self._range = _bounds(plan, "range")
        self._states = tuple(
            (channel.slot, np.array(sorted(channel.channel.states), dtype=np.float64))
            for channel in plan.channels
            if channel.channel.states
        )
        self._levels = tuple(_levels_of(plan))

    def widen(self, raw: Matrix) -> Matrix:
        """Fill a block of an older, shorter layout up with NaN, to the width of its values."""
        missing = self.slot_count - raw.shape[1]
        return np.pad(raw, ((0, 0), (0, missing)), constant_values=np.nan) if missing > 0 else raw

    def _widen_quality(self, quality: NDArray[np.int16]) -> NDArray[np.int16]:
        missing = self.slot_count - quality.shape[1]
        if missing <= 0:
            return quality.copy()
        return np.pad(quality, ((0, 0), (0, missing)), constant_values=Quality.NO_VALUE)

    def convert(self, raw: Matrix, quality: NDArray[np.int16]) -> tuple[Matrix, NDArray[np.int16]]:
        """Convert and check a block of scans; return its values and their qualities.

        Both are at least as wide as the plan: slots beyond the block's width, and slots
        without a channel, come out as NO_VALUE.
        """
        number, judged = self.widen(raw), self._widen_quality(quality)
        _mark(judged[:, : self.slot_count], self._unused[np.newaxis, :], Quality.NO_VALUE)
        beyond = judged[:, self.slot_count :]
        beyond[beyond < FIRST_BAD] = Quality.NO_VALUE
        _mark(judged, ~np.isfinite(number), Quality.NOT_FINITE)
        planned, planned_quality = number[:, : self.slot_count], judged[:, : self.slot_count]
        _mark(planned_quality, self._electrical.exclude(planned, slice(None)), Quality.ELECTRICAL)

        value = _without_bad(number, judged)
        with np.errstate(all="ignore"):
            for level in self._levels:
                for stage in level.stages:
                    value[:, stage.columns] = stage.values(value)
                self._settle(value, judged, level.columns)
        return value, judged

    def check(self, value: Matrix, quality: NDArray[np.int16]) -> tuple[Matrix, NDArray[np.int16]]:
        """Check values of all planned slots that need no conversion: calculated ones.

        Not finite is CONVERSION_FAILED, outside the range OUT_OF_RANGE, a number that names
        no state UNKNOWN_STATE; what is bad becomes NaN.
        """
        checked, judged = value.copy(), quality.copy()
        _mark(judged, self._unused[np.newaxis, :], Quality.NO_VALUE)
        self._settle(checked, judged, np.arange(self.slot_count))
        return checked, judged

    def _settle(self, value: Matrix, quality: NDArray[np.int16], columns: Columns | slice) -> None:
        """Judge finished values in place, so that what leans on a bad one becomes bad too."""
        if not isinstance(columns, slice) and len(columns) == value.shape[1]:
            columns = slice(None)  # All of them: views are quicker than copies.
        numbers, judged = value[:, columns], quality[:, columns]
        _mark(judged, ~np.isfinite(numbers), Quality.CONVERSION_FAILED)
        _mark(judged, self._range.exclude(numbers, columns), Quality.OUT_OF_RANGE)
        for slot, known in self._states:
            here = (self._slots[columns] == slot)[np.newaxis, :]
            _mark(judged, here & ~np.isin(numbers, known), Quality.UNKNOWN_STATE)
        value[:, columns] = _without_bad(numbers, judged)
        quality[:, columns] = judged


def convert_group(
    plan: GroupPlan, raw: Matrix, quality: NDArray[np.int16]
) -> tuple[Matrix, NDArray[np.int16]]:
    """Convert one block; whoever converts many of a group keeps a `GroupConverter`."""
    return GroupConverter(plan).convert(raw, quality)


@dataclass(frozen=True, slots=True, eq=False)
class _Bounds:
    lowest: Row  # [slot], -inf where there is no bound
    highest: Row

    def exclude(self, numbers: Matrix, columns: Columns | slice) -> NDArray[np.bool_]:
        """Tell which numbers of some columns lie outside; NaN lies nowhere."""
        return (numbers < self.lowest[columns]) | (numbers > self.highest[columns])


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Channels that need only what the levels before them have settled."""

    columns: Columns
    stages: tuple[Stage, ...]


def companions_of(channel: Channel) -> tuple[str, ...]:
    """Name the channels of the same group that a conversion looks at."""
    conversion = channel.conversion
    if not isinstance(conversion, VibratingWire):
        return ()
    corrections = (conversion.temperature, conversion.barometer)
    return tuple(correction.channel for correction in corrections if correction is not None)


def _levels_of(plan: GroupPlan) -> Iterator[_Level]:
    """Order a group's conversions so that companions come first."""
    measured = {one.key: one.channel for one in plan.channels if isinstance(one.channel, Channel)}
    slots = {one.key: one.slot for one in plan.channels}
    order = TopologicalSorter({key: companions_of(one) for key, one in measured.items()})
    order.prepare()
    while order.is_active():
        ready = order.get_ready()
        conversions = [(slots[key], measured[key].conversion) for key in sorted(ready)]
        yield _Level(
            columns=np.array([slot for slot, _ in conversions], dtype=np.intp),
            stages=tuple(
                stages_of([(slot, one) for slot, one in conversions if one is not None], slots)
            ),
        )
        order.done(*ready)


def _mark(quality: NDArray[np.int16], where: NDArray[np.bool_], reason: Quality) -> None:
    """Give a reason to what is not bad yet."""
    if where.any():  # Mostly nothing is wrong, and looking costs less than marking.
        quality[np.logical_and(where, quality < FIRST_BAD)] = reason


def _without_bad(numbers: Matrix, judged: NDArray[np.int16]) -> Matrix:
    """Copy numbers, with NaN in the place of bad ones."""
    value = numbers.astype(np.float64)
    bad = judged >= FIRST_BAD
    if bad.any():
        value[bad] = np.nan
    return value


def _bounds(plan: GroupPlan, name: str) -> _Bounds:
    lowest = np.full(plan.slot_count, -np.inf)
    highest = np.full(plan.slot_count, np.inf)
    for channel in plan.channels:
        bounds = getattr(channel.channel, name, None)
        if bounds is not None:
            lowest[channel.slot], highest[channel.slot] = bounds
    return _Bounds(lowest, highest)
