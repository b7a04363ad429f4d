"""Alarms as a back-test sees them: each from its raise until it clears, with its levels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from alarms.transition import AlarmKind, Change, Transition
from telemetry.site import Level

# Of each some hundred bytes. A configuration that raises more needs no finer figures than counts.
LIVES_MAX: Final = 300_000


@dataclass(slots=True, eq=False)
class AlarmLife:
    """One alarm while its cause stood."""

    kind: AlarmKind
    structure: str | None
    channel: str  # Or the group or edge that a technical alarm is about.
    rule: str
    steps: list[tuple[int, Level]]  # Instants and the levels reached at them, in order.
    ended_us: int | None = None  # None: it stood until the end.

    @property
    def raised_us(self) -> int:
        """When it was raised."""
        return self.steps[0][0]

    @property
    def worst(self) -> Level:
        """The highest level that it reached."""
        return max(level for _, level in self.steps)

    def first_us(self, level: Level) -> int | None:
        """When it first reached a level or a higher one."""
        return next((at_us for at_us, reached in self.steps if reached >= level), None)

    def stretches(self, until_us: int) -> Iterable[tuple[int, int, Level]]:
        """List from when until when it had which level; one that stands lasts until the end."""
        ends = [at_us for at_us, _ in self.steps[1:]]
        ends.append(until_us if self.ended_us is None else self.ended_us)
        for (begin_us, level), end_us in zip(self.steps, ends, strict=True):
            if end_us > begin_us:
                yield begin_us, end_us, level


@dataclass(slots=True, eq=False)
class LifeBook:
    """Makes lives out of transitions as they come; keeps those that touch a span."""

    from_us: int
    to_us: int
    lives: list[AlarmLife] = field(default_factory=list)
    left_out: int = 0  # Beyond what is kept.
    _standing: dict[tuple[str, str], AlarmLife] = field(default_factory=dict)

    def take(self, transitions: Iterable[Transition]) -> None:
        """Take transitions in, in the order in which the engine said them."""
        for one in transitions:
            about = one.channel, one.rule
            if one.change is Change.RAISE:
                step = (one.sampled_us, one.level)
                self._standing[about] = AlarmLife(
                    one.kind, one.structure, one.channel, one.rule, [step]
                )
            elif one.change in (Change.RISE, Change.FALL) and about in self._standing:
                self._standing[about].steps.append((one.sampled_us, one.level))
            elif one.change is Change.CLEAR and about in self._standing:
                life = self._standing.pop(about)
                life.ended_us = one.sampled_us
                self._keep(life)

    def close(self) -> list[AlarmLife]:
        """Return all lives, those that stand still among them, by the instant of their raise."""
        for life in self._standing.values():
            self._keep(life)
        self._standing = {}
        self.lives.sort(key=lambda one: (one.raised_us, one.channel, one.rule))
        return self.lives

    def _keep(self, life: AlarmLife) -> None:
        over = life.ended_us is not None and life.ended_us < self.from_us
        if over or life.raised_us >= self.to_us:
            return
        if len(self.lives) >= LIVES_MAX:
            self.left_out += 1
        else:
            self.lives.append(life)
