"""Which levels points had a little while ago: what votes at past instants still need.

The annunciator knows what stands now. A tick lies before what is newest, so the changes since
then are kept, and undone for it. They are few: most points never change their level.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

CHANGES_MAX: Final = 100_000  # Where a vote waits for very long; the oldest are then given up.
WARMING: Final = ""  # Stands for a rule: that none of the channel's rules can judge yet.

About = tuple[str, str]  # Channel and rule.


class LevelChange(NamedTuple):
    """A rule of a channel had another level until then."""

    at_us: int
    channel: str
    rule: str
    before: int


@dataclass(slots=True, eq=False)
class VoteMemory:
    """What has changed lately, by instant, and which points warm up now."""

    changes: list[LevelChange] = field(default_factory=list)
    warming: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def note(self, changes: Iterable[LevelChange]) -> None:
        """Keep changes; those of one rule come in the order in which they happened."""
        self.changes += changes
        self.changes.sort(key=lambda one: (one.at_us, one.channel, one.rule))
        del self.changes[:-CHANGES_MAX]

    def forget(self, passed_us: Callable[[str], int]) -> None:
        """Let go of changes up to the instant that no vote on their channel looks back to."""
        self.changes = [one for one in self.changes if one.at_us > passed_us(one.channel)]


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The levels of one rule: `level[n]` until `at_us[n]`, and the last one since then."""

    at_us: NDArray[np.int64]  # [change] ascending
    level: NDArray[np.int8]  # [change + 1]

    def highest(
        self, since_us: NDArray[np.int64], until_us: NDArray[np.int64]
    ) -> NDArray[np.int8]:  # [instant]
        """Return the highest level in each (since, until]; the level at an instant, if equal."""
        first = np.searchsorted(self.at_us, since_us, side="right")
        last = np.searchsorted(self.at_us, until_us, side="right")
        ends = np.stack([first, last + 1], axis=1).ravel()
        return np.maximum.reduceat(np.append(self.level, np.int8(0)), ends)[::2]


def timelines(now: Mapping[About, int], changes: Iterable[LevelChange]) -> dict[About, Timeline]:
    """Put what stands now behind the changes that led to it."""
    lines: dict[About, list[LevelChange]] = {about: [] for about in now}
    for one in changes:
        lines.setdefault((one.channel, one.rule), []).append(one)
    return {
        about: Timeline(
            np.array([one.at_us for one in of_it], dtype=np.int64),
            np.array([*(one.before for one in of_it), now.get(about, 0)], dtype=np.int8),
        )
        for about, of_it in lines.items()
    }
