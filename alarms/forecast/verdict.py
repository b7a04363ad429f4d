"""What a forecast can answer: a time of failure, or why there is none."""

from enum import IntEnum


class Verdict(IntEnum):
    """The answer for one channel. Only FORECAST comes with a time."""

    TOO_LITTLE_DATA = 0  # Too few usable means.
    NO_RECENT_DATA = 1  # What came last is too old to speak of now.
    NOT_MOVING = 2  # Whatever moved is within the noise.
    REGRESSIVE = 3  # It moves, and ever more slowly.
    NOT_ACCELERATING = 4  # It moves, and no faster than before.
    NO_LAW = 5  # It accelerates; motion that never fails tells it as well as the law of failure.
    BELOW_NOISE = 6  # It accelerates; too few of its velocities stand out from the noise.
    POOR_LINE = 7  # Its inverse velocity does not fall along a line.
    SEEN_BEFORE = 8  # It accelerates, and has been as fast before without failing.
    RECEDING = 9  # It accelerates, and the time of failure recedes: a burst that dies down.
    TOO_EARLY = 10  # It accelerates by the law, and the time can't be told yet.
    FORECAST = 11

    @property
    def accelerates(self) -> bool:
        """Whether it speeds up, with or without a time of failure."""
        return self >= Verdict.NO_LAW
