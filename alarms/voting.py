"""Voting: from the levels of points to that of an item, and from items to the structure.

GB 39496-2020, 5.5: of points of one kind, 4 at blue make the item yellow, 3 at yellow orange, 2 at
orange red; the text goes from items to the whole pond by "4 blue items count as 1 yellow item",
then the same ladder. Two things it leaves open are decided here: each point counts once, at its
own level, with what has been lifted from below counting as one more; and the result is never
below the highest single level, so that voting hides nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.site import Level
from telemetry.voting import Ladder


@dataclass(frozen=True, slots=True, eq=False)
class Vote:
    """What came of a vote: two axes, and what is not known."""

    voted: NDArray[np.int8]  # [item] by the ladder; never below the highest
    highest: NDArray[np.int8]  # [item] the highest single level
    unknown: NDArray[np.int64]  # [item] members whose level nobody knows: stale, or warming up
    members: NDArray[np.int64]  # [item]


def vote(
    level: NDArray[np.int8],  # [member] 0 none to 4 red
    known: NDArray[np.bool_],  # [member] False where the level is not known now
    item: NDArray[np.int64],  # [member] which item it belongs to
    items: int,
    ladder: Ladder | None = None,
) -> Vote:
    """Count the members of each item by level, and climb the ladder.

    A member that is not known counts with the last level that it had, since silence clears nothing,
    and is told of beside it.

    >>> blue = np.full(4, Level.BLUE, np.int8)
    >>> result = vote(blue, np.ones(4, np.bool_), np.zeros(4, np.int64), 1)
    >>> int(result.voted[0]), int(result.highest[0])
    (2, 1)
    """
    rules = ladder or Ladder()
    counts = np.zeros((len(Level), items), dtype=np.int64)
    np.add.at(counts, (level, item), 1)
    steps = (rules.blue_to_yellow, rules.yellow_to_orange, rules.orange_to_red)
    for lower, needed in zip((Level.BLUE, Level.YELLOW, Level.ORANGE), steps, strict=True):
        counts[lower + 1] += counts[lower] // needed
    present = counts > 0
    present[Level.NONE] = True
    ordinals = np.arange(len(Level), dtype=np.int8)[:, np.newaxis]
    highest = np.zeros(items, dtype=np.int8)
    np.maximum.at(highest, item, level)
    return Vote(
        voted=np.max(np.where(present, ordinals, np.int8(0)), axis=0),
        highest=highest,
        unknown=np.bincount(item[~known], minlength=items),
        members=np.bincount(item, minlength=items),
    )


def lifted(before: int, voted: int, highest: int) -> int:
    """Return the level of an item's own alarm: what the vote adds to the alarms of its points.

    It is raised only where the vote lifts the item above its highest point, because else the
    points have told it. Once raised it stands while the item keeps its level, also when a point
    reaches that by itself: a clear would then be no good news.

    >>> lifted(0, voted=1, highest=1), lifted(0, voted=2, highest=1)
    (0, 2)
    >>> lifted(2, voted=2, highest=2), lifted(2, voted=1, highest=1)
    (2, 0)
    """
    if voted > highest:
        return voted
    return before if before <= voted else 0
