"""Neighbours: is an instrument alone with what it says, or do those around it say so too?

One point that moves may be a bumped instrument; three that move are the ground. The answer has
two axes that are shown side by side: the highest single level, which is never hidden, and the
level that at least k instruments of the neighbourhood reach.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.blocks import blocks
from telemetry.plan import SitePlan

UNKNOWN: Final = -1  # The level of an instrument that says nothing; 0 is known, and quiet.
DISTANCES_AT_ONCE: Final = 1 << 21


class NeighbourVerdict(IntEnum):
    """Whether what an instrument says is shared."""

    UNKNOWN = 0  # It says nothing itself.
    QUIET = 1  # It shows no level.
    CANNOT_TELL = 2  # Those that are silent, or not there, could have confirmed it.
    ALONE = 3  # Too few others reach its level, and the silent ones would not make up for it.
    CONFIRMED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhoods:
    """Who is near whom; each instrument belongs to its own neighbourhood."""

    first: NDArray[np.int64]  # [channel + 1] where the members of each begin
    member: NDArray[np.int64]  # [row] channels, ascending inside a neighbourhood


@dataclass(frozen=True, slots=True, eq=False)
class Confirmation:
    """What each neighbourhood says together."""

    level: NDArray[np.int8]  # [channel] reached by at least k members, UNKNOWN below k known
    highest: NDArray[np.int8]  # [channel] of any single member, UNKNOWN where none is known
    members: NDArray[np.int64]  # [channel] itself included
    known: NDArray[np.int64]  # [channel] of them, those that say anything
    verdict: NDArray[np.int8]  # [channel] a NeighbourVerdict


def positions_m(plan: SitePlan) -> NDArray[np.float64]:  # [channel, 3] east, north, elevation
    """Take the positions of all channels from the site file; NaN where it has none."""
    found = np.full((len(plan.channels), 3), np.nan)
    for one in plan.channels:
        place = one.instrument.position if one.instrument else None
        if place is not None:
            found[one.index] = place.east_m, place.north_m, place.elevation_m
    return found


def neighbourhoods(
    position_m: NDArray[np.float64],  # [channel, 3] east, north, elevation; NaN if not known
    radius_m: float,
    alike: NDArray[np.int64],  # [channel] only channels with the same number are neighbours
) -> Neighbourhoods:
    """Find, for each channel, those of its kind within a radius, the radius included.

    `alike` keeps settlements from confirming pore pressures: the quantity, or the structure and
    quantity. A channel without a position is its own only neighbour. All distances are computed:
    right for the thousands of a site, once per configuration.
    """
    channels = len(position_m)
    counts, members = [np.zeros(1, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for block in blocks(channels, channels, DISTANCES_AT_ONCE):
        rows = np.arange(channels)[block]
        apart = np.zeros((len(rows), channels))
        for axis in position_m.T:
            apart += (axis[rows, np.newaxis] - axis) ** 2
        near = (apart <= radius_m**2) & (alike[rows, np.newaxis] == alike)
        near[np.arange(len(rows)), rows] = True
        counts.append(np.count_nonzero(near, axis=1))
        members.append(np.nonzero(near)[1])
    return Neighbourhoods(np.cumsum(np.concatenate(counts)), np.concatenate(members))


def highest_in_window(
    level: NDArray[np.int8],  # [channel, bin] a level, or ±1 for a movement; UNKNOWN = -1
    at_us: NDArray[np.int64],  # [bin]
    until_us: int,
    window_us: int,
) -> NDArray[np.int8]:  # [channel]
    """Return the highest level of each channel in (until - window, until], UNKNOWN if none is."""
    first, last = np.searchsorted(at_us, [until_us - window_us, until_us], side="right")
    return np.asarray(np.max(level[:, first:last], axis=1, initial=np.int8(UNKNOWN)))


def movement_level(
    low_per_h: NDArray[np.float64],  # [channel] the interval of a slope or rate, NaN if unknown
    high_per_h: NDArray[np.float64],  # [channel]
    *,
    rising: bool,
) -> NDArray[np.int8]:  # [channel]
    """Return 1 where a channel moves significantly this way, 0 where not, UNKNOWN where unknown.

    The interval is that of a Theil–Sen line, or a rate and some standard errors around it; all of
    it has to be on one side of 0.

    >>> low, high = np.array([0.1, -0.2, np.nan]), np.array([0.3, 0.1, np.nan])
    >>> movement_level(low, high, rising=True).tolist()
    [1, 0, -1]
    """
    moves = low_per_h > 0 if rising else high_per_h < 0
    unknown = np.isnan(low_per_h) | np.isnan(high_per_h)
    return np.where(unknown, UNKNOWN, moves).astype(np.int8)


def confirmed(
    level: NDArray[np.int8],  # [channel] in the window, UNKNOWN where a channel says nothing
    near: Neighbourhoods,
    k: int = 2,  # `domain.md` C.2
) -> Confirmation:
    """Tell which level at least k members of each neighbourhood reach: the k-th highest one.

    Movements are counted with level 1 for "moves significantly this way", once for each way, so
    that one that rises does not confirm one that falls. What is not known confirms nothing; where
    it could have, the answer is that nobody can tell, not that the instrument is alone.

    >>> near = Neighbourhoods(np.array([0, 3, 6, 9]), np.tile(np.arange(3), 3))
    >>> found = confirmed(np.array([4, 2, 0], dtype=np.int8), near, k=2)
    >>> found.level.tolist(), found.highest.tolist()
    ([2, 2, 2], [4, 4, 4])
    >>> [NeighbourVerdict(one).name for one in found.verdict]
    ['ALONE', 'CONFIRMED', 'QUIET']
    """
    members = np.diff(near.first)
    owner = np.repeat(np.arange(len(members)), members)
    of_member = level[near.member]
    known = np.bincount(owner, weights=of_member != UNKNOWN, minlength=len(members))
    falling = of_member[np.lexsort((-of_member.astype(np.int64), owner))]
    enough = known >= k
    highest = falling[near.first[:-1]]
    together = np.full(len(members), UNKNOWN, dtype=np.int8)
    together[enough] = falling[near.first[:-1][enough] + k - 1]
    reach = np.bincount(owner, weights=of_member >= level[owner], minlength=len(members))
    could_reach = reach + members - known
    verdict = np.select(
        [level == UNKNOWN, level <= 0, ~enough | ((reach < k) & (could_reach >= k)), reach >= k],
        [
            NeighbourVerdict.UNKNOWN,
            NeighbourVerdict.QUIET,
            NeighbourVerdict.CANNOT_TELL,
            NeighbourVerdict.CONFIRMED,
        ],
        NeighbourVerdict.ALONE,
    )
    return Confirmation(together, highest, members, known.astype(np.int64), verdict.astype(np.int8))
