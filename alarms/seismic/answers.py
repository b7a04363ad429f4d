"""What a detector of events answers: a figure, or why there is none; and which level that is."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from telemetry.limits import Levels
from telemetry.site import Level

FIGURE_MOST: Final = (
    1e6  # As a control chart counts a reading (decision 0013): nothing is infinite.
)

Figures = dict[str, float | int | str | bool]


class Answer(IntEnum):
    """Whether a question about events could be answered."""

    UNKNOWN = 0
    JUDGED = 1
    WARMING_UP = 2  # It has not been listened to for long enough.
    TOO_FEW = 3  # Too few events to say anything.
    SILENT = 4  # No event for so long that the source may be dead.


@dataclass(frozen=True, slots=True)
class Finding:
    """What a method has found at an instant: pure, before any level."""

    answer: Answer
    statistic: float = float("nan")  # What levels are compared with; NaN unless judged.
    figures: Figures = field(default_factory=dict)  # For the evidence.


@dataclass(frozen=True, slots=True)
class EventJudgement:
    """What is believed of one detector of a source at an instant."""

    rule: str
    answer: Answer
    level: Level  # What stood before, unless it was judged.
    onset_us: int  # The look at which a level was found first; of no meaning without one.
    statistic: float
    figures: Figures


def judged(statistic: float, figures: Figures) -> Finding:
    """Answer with a figure; one that is not a number is no answer."""
    if np.isnan(statistic):
        return Finding(Answer.TOO_FEW, figures=figures)
    return Finding(Answer.JUDGED, float(np.clip(statistic, -FIGURE_MOST, FIGURE_MOST)), figures)


def level_of(
    statistic: float, levels: Levels, *, before: Level, deadband: float, falling: bool
) -> Level:
    """Find the level that a figure reaches; one that stands ends below its bound less a deadband.

    >>> levels = Levels(blue=2.0, red=5.0)
    >>> reached = [
    ...     level_of(z, levels, before=Level.RED, deadband=0.5, falling=False) for z in (4.5, 4.4)
    ... ]
    >>> [level.name for level in reached]
    ['RED', 'BLUE']
    """
    sign = -1.0 if falling else 1.0
    reached = Level.NONE
    for name, bound in levels:
        if bound is None:
            continue
        level = Level[name.upper()]
        ends = sign * bound - (deadband if level <= before else 0.0)
        if sign * statistic >= ends:
            reached = max(reached, level)
    return reached
