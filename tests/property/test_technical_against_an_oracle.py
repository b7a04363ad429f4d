"""Which technical alarms readings lead to: the engine and a plain loop agree."""

import math
from dataclasses import dataclass, field

from engine_sites import BEGAN_US, SECOND_US, Watch, channel, part_of, plan, scans
from hypothesis import given
from hypothesis import strategies as st

from alarms.transition import AlarmKind
from telemetry.quality import Quality

PERIOD_S = 10
UNITS = {"one": ("a", "b", "c"), "other": ("d",)}
NEVER_CAME = (Quality.NO_REPLY, Quality.DEVICE_ERROR, Quality.NO_CONNECTION)
QUALITIES = st.sampled_from(
    [Quality.GOOD, Quality.GOOD, Quality.CONFLICT, *NEVER_CAME, Quality.ELECTRICAL, Quality.SPIKE]
)
Told = tuple[int, str, str, str]


@dataclass
class PlainFault:
    """A fault that must last two periods, and be gone for two, to be believed."""

    channel: str
    rule: str
    is_there: bool = False
    since_s: float = -math.inf
    believed: bool = False
    told: list[Told] = field(default_factory=list)

    def sees(self, at_s: int, *, fault: bool) -> None:
        if fault != self.is_there:
            self.is_there, self.since_s = fault, at_s
        if fault != self.believed and at_s - self.since_s >= 2 * PERIOD_S:
            self.believed = fault
            self.told.append((at_s, self.channel, self.rule, "raise" if fault else "clear"))


@st.composite
def unit_scans(draw: st.DrawFn, channels: int) -> list[tuple[int, list[Quality]]]:
    """Scans of a unit, some of them missing; whole units fail more often than not."""
    row = st.one_of(
        st.sampled_from([Quality.GOOD, *NEVER_CAME]).map(lambda one: [one] * channels),
        st.lists(QUALITIES, min_size=channels, max_size=channels),
    )
    rows = draw(st.lists(st.tuples(st.sampled_from([5, 10, 10, 30]), row), max_size=30))
    at_s = 0
    found = []
    for step_s, qualities in rows:
        at_s += step_s
        found.append((at_s, qualities))
    return found


def plainly(taken: dict[str, list[tuple[int, list[Quality]]]]) -> list[Told]:
    told: list[Told] = []
    for unit, channels in UNITS.items():
        unreadable = PlainFault(unit, "unreadable")
        bad = [PlainFault(key, "quality") for key in channels]
        for at_s, qualities in taken[unit]:
            unreadable.sees(at_s, fault=any(one in NEVER_CAME for one in qualities))
            for fault, quality in zip(bad, qualities, strict=True):
                if quality not in NEVER_CAME:
                    fault.sees(at_s, fault=quality >= Quality.NO_VALUE)
        told += [one for fault in (unreadable, *bad) for one in fault.told]
    return sorted(told)


@given(one=unit_scans(3), other=unit_scans(1), cut=st.integers(0, 30))
def test_the_engine_tells_what_a_plain_loop_tells(
    one: list[tuple[int, list[Quality]]], other: list[tuple[int, list[Quality]]], cut: int
) -> None:
    watch = Watch(
        plan(
            {unit: [channel(key, n) for n, key in enumerate(keys)] for unit, keys in UNITS.items()},
            period_s=float(PERIOD_S),
        )
    )
    whole = [
        scans(
            group,
            [BEGAN_US + at_s * SECOND_US for at_s, _ in taken],
            [[1.0] * len(qualities) for _, qualities in taken],
            quality=[qualities for _, qualities in taken],
        )
        for group, taken in enumerate((one, other))
        if taken
    ]
    watch.flush(*(part_of(some, 0, cut) for some in whole))
    watch.flush(*(part_of(some, cut, 10**6) for some in whole))

    assert all(some.kind is AlarmKind.TECHNICAL for some in watch.told)
    told = [
        ((some.sampled_us - BEGAN_US) // SECOND_US, some.channel, some.rule, str(some.change))
        for some in watch.told
    ]
    assert sorted(told) == plainly({"one": one, "other": other})
