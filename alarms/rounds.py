"""Rounds: round k of a flush holds the k-th scan of every group that has one.

Groups do not see each other, so their k-th scans may be judged together, however far apart
their instants are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.plan import SitePlan
from telemetry.quality import is_bad
from telemetry.scan import JudgedScans


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """At most one scan of each group."""

    groups: NDArray[np.int64]  # [scan] ascending
    at_us: NDArray[np.int64]  # [scan]
    suspect: NDArray[np.bool_]  # [scan] judged at another instant than it was stamped with
    value: NDArray[np.float64]  # [reading] the scans' rows, one behind the other; NaN where bad
    quality: NDArray[np.int16]  # [reading]


def scans_in_order(
    scans: Sequence[JudgedScans], newest_us: NDArray[np.int64]
) -> tuple[JudgedScans, ...]:
    """Leave out scans that are not after the one before, which the receiver should not send."""
    if not scans:
        return ()
    at_us = np.concatenate([one.judged_us for one in scans])
    counts = np.array([len(one.judged_us) for one in scans])
    groups = np.array([one.group for one in scans])
    assert bool(np.all(np.diff(groups) > 0)), "one group's scans stand together, groups ascend"
    begins = np.cumsum(counts) - counts
    before_us = np.concatenate([[0], at_us[:-1]])
    before_us[begins[counts > 0]] = newest_us[groups[counts > 0]]
    if bool(np.all(at_us > before_us)):
        return tuple(one for one in scans if len(one.judged_us))
    ordered = [_in_order(one, int(newest_us[one.group])) for one in scans]
    return tuple(one for one in ordered if len(one.judged_us))


def qualities_as_sent(
    sent: Sequence[JudgedScans],
    screened: Sequence[JudgedScans],  # Those of them that are in order.
    newest_us: NDArray[np.int64],
) -> dict[int, NDArray[np.int16]]:
    """Fit what screens have said to the scans that were sent; only groups of which they have."""
    found = {}
    by_group = {one.group: one for one in screened}
    for one in sent:
        after = by_group.get(one.group)
        if after is None or after.quality is one.quality:
            continue
        quality = one.quality.copy()
        quality[_later(one, int(newest_us[one.group]))] = after.quality
        if not np.array_equal(quality, one.quality):
            found[one.group] = quality
    return found


def _later(scans: JudgedScans, newest_us: int) -> NDArray[np.bool_]:
    before_us = np.maximum.accumulate(np.concatenate([[newest_us], scans.judged_us]))[:-1]
    return scans.judged_us > before_us


def _in_order(scans: JudgedScans, newest_us: int) -> JudgedScans:
    later = _later(scans, newest_us)
    return JudgedScans(
        group=scans.group,
        sampled_us=scans.sampled_us[later],
        judged_us=scans.judged_us[later],
        raw=scans.raw[later],
        value=scans.value[later],
        quality=scans.quality[later],
    )


def rounds_of(
    scans: Sequence[JudgedScans], number: int = 0, end: int | None = None
) -> Iterator[Round]:
    """Cut scans into rounds; only those from a number on, and before another, if that is said."""
    members = sorted(scans, key=lambda one: one.group)
    while members := [one for one in members if len(one.judged_us) > number]:
        if number == end:
            break
        at_us = np.array([one.judged_us[number] for one in members], dtype=np.int64)
        sampled_us = np.array([one.sampled_us[number] for one in members], dtype=np.int64)
        quality = np.concatenate([one.quality[number] for one in members])
        value = np.concatenate([one.value[number] for one in members])
        yield Round(
            groups=np.array([one.group for one in members], dtype=np.int64),
            at_us=at_us,
            suspect=at_us != sampled_us,
            value=np.where(is_bad(quality), np.nan, value),
            quality=quality,
        )
        number += 1


def pieces_of(of: Round, cells: "Cells", readings_max: int) -> Iterator[Round]:
    """Cut a round into pieces of so many readings, or of one group where that has more."""
    if len(of.value) <= readings_max:
        yield of
        return
    ends = np.cumsum(cells.first[of.groups + 1] - cells.first[of.groups])
    begin, read = 0, 0
    while begin < len(of.groups):
        end = max(begin + 1, int(np.searchsorted(ends, read + readings_max, side="right")))
        groups, readings = slice(begin, end), slice(read, int(ends[end - 1]))
        yield Round(
            groups=of.groups[groups],
            at_us=of.at_us[groups],
            suspect=of.suspect[groups],
            value=of.value[readings],
            quality=of.quality[readings],
        )
        begin, read = end, int(ends[end - 1])


def ranges(
    begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:  # all numbers of all ranges
    """Join half-open ranges to one array of indices.

    >>> ranges(np.array([3, 8]), np.array([5, 9])).tolist()
    [3, 4, 8]
    """
    counts = ends - begins
    numbers = np.repeat(begins - (np.cumsum(counts) - counts), counts)
    numbers += np.arange(len(numbers))
    return numbers


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Where the slots of each group stand when all rows are laid behind one another."""

    first: NDArray[np.int64]  # [group + 1]
    channel: NDArray[np.int64]  # [cell] the channel; one past the last where a slot has none

    @classmethod
    def of(cls, plan: SitePlan) -> "Cells":
        """Lay out a plan's slots."""
        first = np.cumsum([0, *(group.slot_count for group in plan.groups)])
        channel = np.full(int(first[-1]), len(plan.channels), dtype=np.int64)
        for one in plan.channels:
            channel[first[one.group] + one.slot] = one.index
        return cls(first.astype(np.int64), channel)

    def channels_of(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """List the channels of some groups' slots, slot by slot."""
        return self.channel[ranges(self.first[groups], self.first[groups + 1])]
