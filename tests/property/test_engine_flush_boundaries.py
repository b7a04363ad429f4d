"""Whatever the readings: how they were cut into flushes cannot be seen in the alarms."""

from dataclasses import dataclass

import numpy as np
from engine_sites import (
    BEGAN_US,
    SECOND_US,
    Watch,
    calculated,
    channel,
    in_order,
    limit,
    part_of,
    plan,
    scans,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.checkpoint import decode, encode
from alarms.transition import AlarmKind, CalculatedScans, Transition
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

STATES = {
    0: {"name": {"en": "stopped", "zh": "停止"}, "level": "red"},
    1: {"name": {"en": "running", "zh": "运行"}},
    2: {"name": {"en": "slow", "zh": "慢速"}, "level": "yellow"},
}
HIGH = limit(blue=4.0, yellow=5.0, red=7.0, deadband=1.0, on_delay_s=30.0, off_delay_s=20.0)
LOW = limit("low", blue=3.0, orange=1.0, deadband=0.5)
RATE = limit(blue=100.0, red=400.0, window_s=40.0, deadband=10.0)
SUM = calculated("sum", 0, "a + b", inputs={"a": "a0", "b": "b0"}, limits=[HIGH], max_age_s=45.0)
# Needs what the sum is made of, too: the two groups pass the same values at different ticks.
TWICE = calculated(
    "twice",
    0,
    "2 * s - c - a",
    inputs={"s": "sum", "c": "c0", "a": "a0"},
    limits=[LOW],
    rate_limits=[RATE],
)


def site(*, turned: bool = False) -> SitePlan:
    """Three groups; turned, their channels and groups stand in another order."""
    slots = (3, 2, 0) if turned else (0, 2, 3)
    groups = {
        "a": [
            channel("a0", slots[0], limits=[HIGH, LOW]),
            channel("a1", slots[1], rate_limits=[RATE]),
            channel("a2", slots[2], states=STATES, state_on_delay_s=15.0),
        ],
        "b": [channel("b0", 0, limits=[HIGH]), channel("b1", 1, limits=[LOW])][
            :: -1 if turned else 1
        ],
        "c": [channel("c0", 0, limits=[LOW], rate_limits=[RATE])],
    }
    names = reversed(groups) if turned else iter(groups)
    periods = {"a": 10.0, "b": 15.0, "c": 7.0, "sums": 20.0, "twices": 10.0}
    return plan(
        {name: groups[name] for name in names}, {"sums": [SUM], "twices": [TWICE]}, period_s=periods
    )


PLAN = site()
VALUES = st.one_of(st.just(np.nan), st.integers(0, 8).map(float), st.floats(0.0, 8.0))
# Why a reading is missing: because of its line or device, or for reasons of its own.
REASONS = st.sampled_from(
    [
        Quality.NO_REPLY,
        Quality.DEVICE_ERROR,
        Quality.NO_CONNECTION,
        Quality.NO_VALUE,
        Quality.ELECTRICAL,
    ]
)
STEPS_S = st.lists(st.integers(1, 40), min_size=1, max_size=25)


@st.composite
def readings(draw: st.DrawFn) -> dict[str, JudgedScans]:
    """Scans of every measured group, at uneven instants; some values bad, some stamps suspect."""
    some = {}
    for group in PLAN.groups[:3]:
        at_us = BEGAN_US + np.cumsum(draw(STEPS_S)) * SECOND_US
        value = np.full((len(at_us), group.slot_count), np.nan)
        quality = np.full(value.shape, Quality.NO_VALUE)
        for one in group.channels:
            drawn = draw(st.lists(VALUES, min_size=len(at_us), max_size=len(at_us)))
            value[:, one.slot] = np.floor(drawn) % 3 if one.channel.states else drawn
            reason = draw(st.lists(REASONS, min_size=len(at_us), max_size=len(at_us)))
            quality[:, one.slot] = np.where(np.isnan(drawn), reason, Quality.GOOD)
        suspect = draw(st.lists(st.booleans(), min_size=len(at_us), max_size=len(at_us)))
        sampled_us = at_us + np.where(suspect, SECOND_US, 0)
        some[group.key] = scans(group.index, at_us, value, quality=quality, sampled_us=sampled_us)
    return some


@dataclass(frozen=True, slots=True)
class Seen:
    """What an operator gets to see of a run, whatever its flushes."""

    told: list[Transition]
    calculated: dict[int, tuple[list[int], list[list[float]], list[list[int]]]]


def seen(watch: Watch, computed: list[CalculatedScans]) -> Seen:
    groups: dict[int, tuple[list[int], list[list[float]], list[list[int]]]] = {}
    for one in computed:
        instants, values, qualities = groups.setdefault(one.group, ([], [], []))
        instants += one.at_us.tolist()
        values += np.nan_to_num(one.value, nan=-999.0).tolist()
        qualities += one.quality.tolist()
    return Seen(in_order(watch.told), groups)


def run_whole(some: dict[str, JudgedScans]) -> Seen:
    watch = Watch(PLAN)
    return seen(watch, list(watch.flush(*some.values()).calculated))


@st.composite
def cuttings(draw: st.DrawFn) -> list[list[int]]:
    """For each flush, how many scans of each group it brings; the last brings the rest."""
    return draw(st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), max_size=20))


def flushes(some: dict[str, JudgedScans], cutting: list[list[int]]) -> list[list[JudgedScans]]:
    begun = [0, 0, 0]
    cut = []
    for counts in [*cutting, [10**6] * 3]:
        ends = [begin + count for begin, count in zip(begun, counts, strict=True)]
        cut.append(
            [
                part_of(one, begin, end)
                for one, begin, end in zip(some.values(), begun, ends, strict=True)
                if begin < min(end, len(one.judged_us))
            ]
        )
        begun = ends
    return cut


@given(some=readings(), cutting=cuttings())
def test_flush_boundaries_are_invisible(
    some: dict[str, JudgedScans], cutting: list[list[int]]
) -> None:
    watch = Watch(PLAN)
    computed = [one for part in flushes(some, cutting) for one in watch.flush(*part).calculated]
    assert seen(watch, computed) == run_whole(some)


@given(some=readings(), cutting=cuttings(), at=st.integers(0, 20))
@settings(max_examples=60)
def test_a_checkpoint_at_any_cut_continues_as_if_nothing_had_happened(
    some: dict[str, JudgedScans], cutting: list[list[int]], at: int
) -> None:
    watch = Watch(PLAN)
    computed = []
    for number, part in enumerate(flushes(some, cutting)):
        if number == at % (len(cutting) + 1):
            again = Watch(PLAN)
            again.state = decode(again.engine, encode(watch.engine, watch.state))
            again.told, watch = watch.told, again
        computed += watch.flush(*part).calculated
    assert seen(watch, computed) == run_whole(some)


@given(some=readings(), cutting=cuttings())
@settings(max_examples=60)
def test_neither_the_order_of_channels_nor_of_groups_matters(
    some: dict[str, JudgedScans], cutting: list[list[int]]
) -> None:
    turned = site(turned=True)
    watch = Watch(turned)
    for part in flushes(some, cutting):
        watch.flush(*(_turned(one, turned) for one in part))
    assert in_order(watch.told) == run_whole(some).told


def _turned(one: JudgedScans, turned: SitePlan) -> JudgedScans:
    was = PLAN.groups[one.group]
    now = turned.group_by_key[was.key]
    value = np.full((len(one.judged_us), now.slot_count), np.nan)
    quality = np.full(value.shape, Quality.NO_VALUE)
    for old in was.channels:
        value[:, turned.channel_by_key[old.key].slot] = one.value[:, old.slot]
        quality[:, turned.channel_by_key[old.key].slot] = one.quality[:, old.slot]
    return scans(now.index, one.judged_us, value, quality=quality, sampled_us=one.sampled_us)


@given(some=readings(), keep=st.sampled_from(["a", "b", "c"]))
@settings(max_examples=60)
def test_a_measured_channel_sees_only_its_own_group(
    some: dict[str, JudgedScans], keep: str
) -> None:
    def of_group(told: list[Transition]) -> list[Transition]:
        return [one for one in told if one.channel.startswith(keep)]

    alone = Watch(PLAN)
    alone.flush(some[keep])
    assert in_order(of_group(alone.told)) == of_group(run_whole(some).told)


@given(some=readings(), at=st.integers(1, 24), count=st.integers(1, 10), reason=REASONS)
@settings(max_examples=60)
def test_scans_without_a_good_value_change_no_process_alarm(
    some: dict[str, JudgedScans], at: int, count: int, reason: Quality
) -> None:
    """Put bad scans between others: what is measured before and after stays the same."""
    whole = some["a"]
    at = min(at, len(whole.judged_us))
    before, after = part_of(whole, 0, at), part_of(whole, at, 10**6)
    bad_us = before.judged_us[-1] + np.arange(1, count + 1) * 1000
    nothing = np.full((count, before.value.shape[1]), np.nan)
    bad = scans(before.group, bad_us, nothing, quality=np.full(nothing.shape, reason))
    with_bad, without = Watch(PLAN), Watch(PLAN)
    for part in (before, bad, after):
        if len(part.judged_us):
            with_bad.flush(part)
    without.flush(whole)

    def process(watch: Watch) -> list[Transition]:
        return in_order([one for one in watch.told if one.kind is AlarmKind.PROCESS])

    assert process(with_bad) == process(without)
