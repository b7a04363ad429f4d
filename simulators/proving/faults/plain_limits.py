"""What limits should say, worked out reading by reading: shares no code with `alarms`.

Written from the words of decision record 0004. A value that is missing or bad says nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

Told = tuple[str, str, int]  # Change, level, instant in microseconds.


@dataclass(slots=True)
class PlainLevel:
    """One level of a limit."""

    number: int
    name: str
    bound: float
    violated: bool = False
    since_us: int = 0
    believed: bool = False


@dataclass(slots=True)
class PlainLimit:
    """A limit as an operator would follow it on paper."""

    high: bool
    deadband: float
    on_delay_us: int
    off_delay_us: int
    levels: list[PlainLevel]
    standing: int = 0
    told: list[Told] = field(default_factory=list)

    def follow(self, readings: Iterable[tuple[int, float]]) -> list[Told]:
        """See readings in the order of time; return every change of level."""
        for at_us, value in readings:
            if math.isfinite(value):
                for level in self.levels:
                    self._see(level, at_us, value)
                self._tell(at_us)
        return self.told

    def _see(self, level: PlainLevel, at_us: int, value: float) -> None:
        beyond = value - level.bound if self.high else level.bound - value
        now = beyond >= 0 or (level.violated and beyond >= -self.deadband)
        if now != level.violated:
            level.violated, level.since_us = now, at_us
        lasted_us = at_us - level.since_us
        if level.violated and lasted_us >= self.on_delay_us:
            level.believed = True
        if not level.violated and lasted_us >= self.off_delay_us:
            level.believed = False

    def _tell(self, at_us: int) -> None:
        before = self.standing
        now = max((one.number for one in self.levels if one.believed), default=0)
        names = {one.number: one.name for one in self.levels}
        for one in self.levels:
            if before < one.number <= now:
                first = before == 0 and one is self.levels[0]
                self.told.append(("raise" if first else "rise", one.name, at_us))
        if 0 < now < before:
            self.told.append(("fall", names[now], at_us))
        if now == 0 < before:
            self.told.append(("clear", names[before], at_us))
        self.standing = now
