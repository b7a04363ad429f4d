"""A signal: what is true of the ground at an instant, and how well an instrument sees it."""

from collections.abc import Callable
from dataclasses import dataclass

from simulators.physics.chance import Floats


@dataclass(frozen=True, slots=True)
class Signal:
    """One channel's true course, in the channel's unit, over seconds of scenario time."""

    truth: Callable[[Floats], Floats]
    noise: float = 0.0  # Standard deviation of a reading, in the channel's unit.
    raw_step: float = 0.0  # What the logger rounds its raw number to; 0 leaves it alone.


Signals = dict[str, Signal]  # By channel id.
