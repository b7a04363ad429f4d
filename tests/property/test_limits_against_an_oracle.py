"""The vectorised engine and a plain loop, written from the words of decision record 0004, agree."""

import math
from dataclasses import dataclass, field

import numpy as np
from engine_sites import BEGAN_US, SECOND_US, Watch, channel, limit, plan, scans
from hypothesis import given
from hypothesis import strategies as st

from alarms.transition import AlarmKind
from telemetry.site import Level, LevelName

NAMES: tuple[LevelName, ...] = ("blue", "yellow", "orange", "red")


@dataclass
class OneLevel:
    """One level of a limit, on its own."""

    level: Level
    bound: float
    violated: bool = False
    since_s: float = -math.inf
    believed: bool = False


@dataclass
class PlainLimit:
    """A limit as an operator would work it out on paper, reading by reading."""

    high: bool
    deadband: float
    on_delay_s: int
    off_delay_s: int
    levels: list[OneLevel]
    told: list[tuple[int, str, str]] = field(default_factory=list)

    def sees(self, at_s: int, value: float) -> None:
        if math.isnan(value):
            return
        before = self._standing()
        for one in self.levels:
            excess = value - one.bound if self.high else one.bound - value
            now = excess >= 0 or (one.violated and not self._is_back(value, one))
            if now != one.violated:
                one.violated, one.since_s = now, at_s
            lasted = at_s - one.since_s
            if one.violated and lasted >= self.on_delay_s:
                one.believed = True
            if not one.violated and lasted >= self.off_delay_s:
                one.believed = False
        self._tell(at_s, before, self._standing())

    def _is_back(self, value: float, one: OneLevel) -> bool:
        if self.high:
            return value < one.bound - self.deadband
        return value > one.bound + self.deadband

    def _standing(self) -> Level:
        return max((one.level for one in self.levels if one.believed), default=Level.NONE)

    def _tell(self, at_s: int, before: Level, now: Level) -> None:
        for one in self.levels:
            if before < one.level <= now:
                first = before is Level.NONE and one is self.levels[0]
                self.told.append((at_s, "raise" if first else "rise", one.level.name))
        if Level.NONE < now < before:
            self.told.append((at_s, "fall", now.name))
        if now is Level.NONE < before:
            self.told.append((at_s, "clear", before.name))


@st.composite
def plain_limits(draw: st.DrawFn) -> PlainLimit:
    high = draw(st.booleans())
    # Eighths, so that bounds, deadbands and readings meet exactly.
    bounds = sorted(draw(st.sets(st.integers(0, 64), min_size=1, max_size=4)), reverse=not high)
    chosen = draw(
        st.lists(
            st.sampled_from(list(Level)[1:]),
            min_size=len(bounds),
            max_size=len(bounds),
            unique=True,
        )
    )
    return PlainLimit(
        high=high,
        deadband=draw(st.integers(0, 12)) / 8,
        on_delay_s=draw(st.integers(0, 20)),
        off_delay_s=draw(st.integers(0, 20)),
        levels=[
            OneLevel(level, bound / 8) for level, bound in zip(sorted(chosen), bounds, strict=True)
        ],
    )


READINGS = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.one_of(st.just(math.nan), st.integers(-8, 72).map(lambda eighths: eighths / 8)),
    ),
    max_size=60,
)


@given(rules=st.lists(plain_limits(), min_size=1, max_size=4), readings=READINGS)
def test_the_engine_agrees_with_paper_and_pencil(
    rules: list[PlainLimit], readings: list[tuple[int, float]]
) -> None:
    channels = [
        channel(
            f"c{slot}",
            slot,
            limits=[
                limit(
                    "high" if one.high else "low",
                    deadband=one.deadband,
                    on_delay_s=one.on_delay_s,
                    off_delay_s=one.off_delay_s,
                    **{NAMES[each.level - 1]: each.bound for each in one.levels},
                )
            ],
        )
        for slot, one in enumerate(rules)
    ]
    instants_s = np.cumsum([step for step, _ in readings], dtype=np.int64)
    watch = Watch(plan({"group": channels}))
    watch.flush(
        scans(
            0,
            BEGAN_US + instants_s * SECOND_US,
            np.repeat([value for _, value in readings], len(rules)).reshape(-1, len(rules))
            if readings
            else np.zeros((0, len(rules))),
        )
    )
    for slot, one in enumerate(rules):
        for at_s, (_, value) in zip(instants_s.tolist(), readings, strict=True):
            one.sees(at_s, value)
        told = [
            ((each.sampled_us - BEGAN_US) // SECOND_US, each.change.value, each.level.name)
            for each in watch.told
            if each.kind is AlarmKind.PROCESS and each.channel == f"c{slot}"
        ]
        assert told == one.told
