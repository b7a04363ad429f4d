"""Stretches: many rounds at once, of groups that all have a scan in each of them.

Groups do not see each other, so a stretch may also be cut into pieces of some groups each. A piece
is as wide and as long as what a core's own cache holds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from alarms.rounds import Round
from telemetry.quality import is_bad
from telemetry.scan import JudgedScans


@dataclass(frozen=True, slots=True)
class Cut:
    """How rounds are cut into stretches; what is found does not depend on it."""

    # Fewer rounds are judged one by one: live flushes are like that, and would gain nothing.
    rounds_min: int = 16
    columns_max: int = 1_024  # Of a piece; or one group, where that has more.
    readings: int = 32_768  # Of a piece.


USUAL: Final = Cut()
Number = TypeVar("Number", np.float64, np.int16)


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Successive scans of some groups; row n is the n-th scan of each."""

    first: int  # The number of its first round in the flush.
    groups: NDArray[np.int64]  # [group] ascending
    at_us: NDArray[np.int64]  # [round, group] ascending along rounds
    suspect: NDArray[np.bool_]  # [round, group] judged at another instant than it was stamped with
    value: NDArray[np.float64]  # [round, reading] the groups' rows side by side; NaN where bad
    quality: NDArray[np.int16]  # [round, reading]
    doubts: bool  # Whether any reading is not plainly good.

    def __len__(self) -> int:
        return len(self.at_us)

    def round(self, number: int) -> Round:
        """Return one round, as it is judged by itself."""
        return Round(
            groups=self.groups,
            at_us=self.at_us[number],
            suspect=self.suspect[number],
            value=self.value[number],
            quality=self.quality[number],
        )

    def part(self, begin: int, end: int) -> "Stretch":
        """Return some of its rounds."""
        rows = slice(begin, end)
        return Stretch(
            first=self.first + begin,
            groups=self.groups,
            at_us=self.at_us[rows],
            suspect=self.suspect[rows],
            value=self.value[rows],
            quality=self.quality[rows],
            doubts=self.doubts,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Lockstep:
    """Rounds of which each has a scan of the same groups."""

    members: Sequence[JudgedScans]  # By group.
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def groups(self) -> NDArray[np.int64]:
        """The groups that have a scan."""
        return np.array([one.group for one in self.members], dtype=np.int64)

    @property
    def suspect(self) -> NDArray[np.bool_]:  # [round, group]
        """Which scans are judged at another instant than they were stamped with."""
        rows = slice(self.first, self.end)
        suspect = [one.judged_us[rows] != one.sampled_us[rows] for one in self.members]
        return np.stack(suspect, axis=1)

    def pieces(self, cut: Cut) -> Iterator[Stretch]:
        """Cut it into pieces, some groups after the other; rounds of a group ascend."""
        for members in _side_by_side(self.members, cut.columns_max):
            columns = sum(one.value.shape[1] for one in members)
            rounds = max(cut.rounds_min, cut.readings // max(columns, 1))
            for begin in range(self.first, self.end, rounds):
                yield stretch_of(members, begin, min(begin + rounds, self.end))


def locksteps_of(scans: Sequence[JudgedScans]) -> Iterator[Lockstep]:
    """Cut scans into locksteps, each of which ends when the scans of some group do."""
    members = sorted(scans, key=lambda one: one.group)
    first = 0
    while members := [one for one in members if len(one.judged_us) > first]:
        end = min(len(one.judged_us) for one in members)
        yield Lockstep(members, first, end)
        first = end


def stretch_of(members: Sequence[JudgedScans], begin: int, end: int) -> Stretch:
    """Put scans of some groups, which ascend, side by side."""
    rows = slice(begin, end)
    at_us = np.stack([one.judged_us[rows] for one in members], axis=1)
    sampled_us = np.stack([one.sampled_us[rows] for one in members], axis=1)
    value = _beside([one.value[rows] for one in members])
    quality = _beside([one.quality[rows] for one in members])
    doubts = bool(quality.any())
    if doubts:
        value = np.where(is_bad(quality), np.nan, value)
    return Stretch(
        first=begin,
        groups=np.array([one.group for one in members], dtype=np.int64),
        at_us=at_us,
        suspect=at_us != sampled_us,
        value=value,
        quality=quality,
        doubts=doubts or bool(np.isnan(value).any()),
    )


def _side_by_side(members: Sequence[JudgedScans], columns_max: int) -> Iterator[list[JudgedScans]]:
    some: list[JudgedScans] = []
    columns = 0
    for one in members:
        width = one.value.shape[1]
        if some and columns + width > columns_max:
            yield some
            some, columns = [], 0
        some.append(one)
        columns += width
    if some:
        yield some


def _beside(arrays: Sequence[NDArray[Number]]) -> NDArray[Number]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)
