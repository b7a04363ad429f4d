"""What every detector promises, present and future: a table of them, and the same tests for all.

Detectors join by a line in tests/detector_cases.py.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from detector_cases import CASES
from engine_sites import (
    BEGAN_US,
    MINUTE_US,
    SECOND_US,
    Watch,
    channel,
    in_order,
    part_of,
    plan,
    scans,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.checkpoint import decode, encode
from alarms.transition import AlarmKind, Transition
from alarms.warming import warming_up
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

PERIOD_S = 10.0
QUIET = 4.0
ALL = pytest.mark.parametrize("name", CASES)
VALUES = st.one_of(st.just(np.nan), st.integers(0, 8).map(float), st.floats(0.0, 8.0))
REASONS = st.sampled_from([Quality.NO_REPLY, Quality.NO_VALUE, Quality.ELECTRICAL, Quality.SPIKE])
FEW = settings(max_examples=30)  # Each of these is asked of every detector.


@st.composite
def streams(draw: st.DrawFn, *, channels: int = 1, bad: bool = True) -> JudgedScans:
    """Scans at uneven instants, some longer apart than anything remembers; some readings bad."""
    steps_s = draw(st.lists(st.one_of(st.integers(1, 30), st.just(600)), min_size=1, max_size=60))
    count = len(steps_s) * channels
    one = VALUES if bad else st.floats(0.0, 8.0)
    value = np.array(draw(st.lists(one, min_size=count, max_size=count)))
    reason = np.array(draw(st.lists(REASONS, min_size=count, max_size=count)))
    quality = np.where(np.isnan(value), reason, Quality.GOOD)
    at_us = BEGAN_US + np.cumsum(steps_s) * SECOND_US
    return scans(0, at_us, value.reshape(-1, channels), quality=quality.reshape(-1, channels))


def site_of(*names: str, extra: int = 0) -> SitePlan:
    """A group with a channel for each detector named, at the slots of their order."""
    channels = [
        channel(f"{name}_{n}", n, resolution=0.01, **CASES[name].words)
        for n, name in enumerate(names)
    ]
    others = [channel(f"other_{n}", len(names) + n) for n in range(extra)]
    return plan({"a": [*channels, *others]}, period_s=PERIOD_S)


def discrete(name: str, of: JudgedScans) -> JudgedScans:
    """Fit values to a detector: discrete channels take whole numbers only."""
    if name != "state":
        return of
    return scans(0, of.judged_us, np.floor(of.value) % 3, quality=of.quality)


def process(told: Sequence[Transition]) -> list[Transition]:
    return in_order([one for one in told if one.kind is AlarmKind.PROCESS])


def run(of: SitePlan, some: JudgedScans, cuts: Sequence[int] = ()) -> Watch:
    watch = Watch(of)
    ends = [*sorted({cut for cut in cuts if 0 < cut < len(some.judged_us)}), len(some.judged_us)]
    for begin, end in zip([0, *ends], ends, strict=False):
        watch.flush(part_of(some, begin, end))
    return watch


@ALL
@FEW
@given(some=streams(), cuts=st.lists(st.integers(1, 59), max_size=20))
def test_flush_boundaries_are_invisible(name: str, some: JudgedScans, cuts: list[int]) -> None:
    some = discrete(name, some)
    whole, cut = run(site_of(name), some), run(site_of(name), some, cuts)
    assert process(cut.told) == process(whole.told)
    assert encode(cut.engine, cut.state) == encode(whole.engine, whole.state)


@ALL
@FEW
@given(some=streams(), cuts=st.lists(st.integers(1, 59), min_size=1, max_size=5))
def test_a_state_comes_back_from_a_checkpoint_anywhere(
    name: str, some: JudgedScans, cuts: list[int]
) -> None:
    some = discrete(name, some)
    watch = Watch(site_of(name))
    ends = [*sorted({cut for cut in cuts if cut < len(some.judged_us)}), len(some.judged_us)]
    for begin, end in zip([0, *ends], ends, strict=False):
        watch.flush(part_of(some, begin, end))
        watch.state = decode(watch.engine, encode(watch.engine, watch.state))
    assert process(watch.told) == process(run(site_of(name), some).told)


@given(some=streams(channels=len(CASES)), order=st.permutations(range(len(CASES))))
def test_the_order_of_channels_is_irrelevant(some: JudgedScans, order: list[int]) -> None:
    names = list(CASES)
    value = some.value.copy()
    value[:, names.index("state")] = np.floor(value[:, names.index("state")]) % 3
    in_file = scans(0, some.judged_us, value, quality=some.quality)
    turned = scans(0, some.judged_us, value[:, order], quality=some.quality[:, order])
    told = process(run(site_of(*names), in_file).told)
    names_of = {f"{names[n]}_{place}": f"{names[n]}_{n}" for place, n in enumerate(order)}
    found = process(run(site_of(*[names[n] for n in order]), turned).told)
    assert sorted(
        (one.sampled_us, names_of[one.channel], one.rule, one.change, one.level) for one in found
    ) == sorted((one.sampled_us, one.channel, one.rule, one.change, one.level) for one in told)


@ALL
@FEW
@given(some=streams(channels=2))
def test_channels_share_nothing(name: str, some: JudgedScans) -> None:
    some = discrete(name, some)
    together = process(run(site_of(name, name), some).told)
    alone = scans(0, some.judged_us, some.value[:, :1], quality=some.quality[:, :1])
    expected = process(run(site_of(name), alone).told)
    assert [one for one in together if one.channel == f"{name}_0"] == expected


@ALL
@FEW
@given(some=streams(bad=False), data=st.data())
def test_bad_readings_neither_raise_nor_clear(
    name: str, some: JudgedScans, data: st.DataObject
) -> None:
    some = discrete(name, some)
    count = len(some.judged_us)
    # Between two scans nobody knows how many bad ones there were.
    bad = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    at_us = np.concatenate([some.judged_us, some.judged_us[bad] - SECOND_US // 2])
    value = np.concatenate([some.value, np.full((int(bad.sum()), 1), np.nan)])
    reason = data.draw(REASONS)
    quality = np.where(np.isnan(value), reason, Quality.GOOD)
    order = np.argsort(at_us)
    mixed = scans(0, at_us[order], value[order], quality=quality[order])
    assert process(run(site_of(name), mixed).told) == process(run(site_of(name), some).told)


@ALL
@FEW
@given(some=streams(), data=st.data())
def test_a_repeated_instant_is_judged_once(
    name: str, some: JudgedScans, data: st.DataObject
) -> None:
    some = discrete(name, some)
    count = len(some.judged_us)
    times = np.array(data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count)))
    rows = np.repeat(np.arange(count), times)
    again = scans(0, some.judged_us[rows], some.value[rows], quality=some.quality[rows])
    first = np.concatenate([[True], np.diff(rows) > 0])
    again.value[~first] = np.where(np.isnan(again.value[~first]), np.nan, 8.0)  # Whatever it says.
    assert process(run(site_of(name), again).told) == process(run(site_of(name), some).told)


@ALL
@FEW
@given(some=streams(), days=st.integers(-3_000, 3_000))
def test_only_event_time_counts(name: str, some: JudgedScans, days: int) -> None:
    some = discrete(name, some)
    by_us = days * 24 * 60 * MINUTE_US
    later = scans(0, some.judged_us + by_us, some.value, quality=some.quality)
    found = process(run(site_of(name), later).told)
    told = process(run(site_of(name), some).told)
    assert [(one.sampled_us - by_us, one.rule, one.change, one.level) for one in found] == [
        (one.sampled_us, one.rule, one.change, one.level) for one in told
    ]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.gap_s])
def test_a_gap_longer_than_it_remembers_is_a_new_beginning(name: str) -> None:
    """What is told after the gap is what would be told had there been nothing before it."""
    case = CASES[name]
    assert case.gap_s is not None
    before = np.array(case.before)
    after = 5.2 + np.random.default_rng(11).random(100).cumsum() / 100.0
    at_us = BEGAN_US + np.arange(len(before) + len(after)) * round(PERIOD_S * SECOND_US)
    values = np.concatenate([before, after])
    close = process(run(site_of(name), scans(0, at_us, values)).told)
    at_us[len(before) :] += round(case.gap_s * SECOND_US)
    apart = process(run(site_of(name), scans(0, at_us, values)).told)
    alone = process(run(site_of(name), scans(0, at_us[len(before) :], after)).told)
    assert apart == alone
    begins = len(before)
    assert [one for one in apart if one.sampled_us < at_us[begins]] == []
    assert _scans_of(close, begins) != _scans_of(apart, begins, case.gap_s)


def _scans_of(told: Sequence[Transition], begins: int, gap_s: float = 0.0) -> list[int]:
    """Number the scans, from the end of the gap on, at which something was told."""
    period_us = round(PERIOD_S * SECOND_US)
    return [
        (one.sampled_us - BEGAN_US - round(gap_s * SECOND_US)) // period_us - begins for one in told
    ]


@ALL
def test_who_can_not_judge_yet_says_so(name: str) -> None:
    of = site_of(name)
    watch = Watch(of)
    rules = watch.engine.rules
    own = [row for row, rule in enumerate(rules.rules) if rule.limit is not None]
    if not own:
        assert not CASES[name].warms_up
        return
    assert warming_up(watch.state, rules)[own].all() == CASES[name].warms_up
    at_us = BEGAN_US + np.arange(40) * round(PERIOD_S * SECOND_US)
    chance = np.random.default_rng(2)
    watch.flush(scans(0, at_us, QUIET + chance.normal(0.0, 0.1, 40)))
    assert not warming_up(watch.state, rules).any()


@ALL
def test_ten_million_readings_leave_it_sound(name: str) -> None:
    """10,000 times 1,000: noise that is quiet raises nothing, and the state stays finite."""
    groups, channels, rounds = 100, 100, 1_000
    of = plan(
        {
            f"g{n}": [
                channel(f"c{n}_{slot}", slot, resolution=0.01, **CASES[name].words)
                for slot in range(channels)
            ]
            for n in range(groups)
        },
        period_s=PERIOD_S,
    )
    watch = Watch(of)
    chance = np.random.default_rng(5)
    noise = QUIET + 1e-3 * chance.standard_normal((64, channels))
    if name == "state":
        noise = np.ones_like(noise)
    for begin in range(0, rounds, 50):
        at_us = BEGAN_US + (begin + np.arange(50)) * round(PERIOD_S * SECOND_US)
        rows = (begin + np.arange(50)) % len(noise)
        watch.flush(
            *(scans(group, at_us, np.roll(noise, group, 1)[rows]) for group in range(groups))
        )
    assert watch.told == []
    state = watch.state
    for column in (state.statistic, state.fading, state.seen_mean, state.learned_mean):
        assert np.isfinite(column).all()
    assert not state.violated.any()


# On a stream that never changes, detection never does: seeds and instants are for ever.
STREAM = np.random.default_rng(20261125)
FIXED = np.concatenate(
    [
        STREAM.normal(QUIET, 0.3, 200),
        STREAM.normal(QUIET + 0.6, 0.3, 100),  # A shift of two standard deviations.
        QUIET + 0.6 + np.arange(60) * 0.06,  # A ramp.
        STREAM.normal(QUIET, 0.3, 100),
        QUIET - np.arange(40) * 0.1,  # Downwards.
    ]
)
EXPECTED: dict[str, list[tuple[int, str, int]]] = {
    "limit_high": [
        (240, "raise", 1),
        (243, "clear", 1),
        (275, "raise", 1),
        (283, "clear", 1),
        (310, "raise", 1),
        (327, "rise", 2),
        (343, "rise", 4),
        (362, "clear", 4),
    ],
    "limit_low": [(470, "raise", 2), (490, "rise", 3)],
    "confirmed": [
        (238, "raise", 1),
        (242, "clear", 1),
        (273, "raise", 1),
        (282, "clear", 1),
        (308, "raise", 1),
        (341, "rise", 4),
        (361, "clear", 4),
    ],
    "rate": [(63, "raise", 1), (65, "clear", 1), (201, "raise", 1), (204, "clear", 1)],
    "confirmed_rate": [(361, "raise", 4), (363, "clear", 4)],
    "ewma": [
        (238, "raise", 1),
        (247, "clear", 1),
        (305, "raise", 1),
        (312, "rise", 4),
        (364, "fall", 1),
        (367, "clear", 1),
    ],
    "ewma_learned": [
        (79, "raise", 4),
        (80, "clear", 4),
        (381, "raise", 4),
        (382, "clear", 4),
        (465, "raise", 4),
    ],
    "cusum": [(240, "raise", 1), (299, "rise", 4), (375, "fall", 1), (380, "clear", 1)],
    "cusum_learned": [
        (42, "raise", 2),
        (55, "clear", 2),
        (202, "raise", 2),
        (365, "clear", 2),
        (442, "raise", 2),
        (443, "clear", 2),
    ],
    "page_hinkley": [(469, "raise", 4)],
    "screened": [
        (217, "raise", 1),
        (218, "clear", 1),
        (237, "raise", 1),
        (241, "clear", 1),
        (252, "raise", 1),
        (253, "clear", 1),
        (272, "raise", 1),
        (276, "clear", 1),
        (277, "raise", 1),
        (281, "clear", 1),
        (307, "raise", 1),
        (340, "rise", 4),
        (364, "clear", 4),
    ],
    "state": [
        (6, "raise", 4),
        (7, "clear", 4),
        (13, "raise", 4),
        (15, "clear", 4),
        (29, "raise", 4),
        (30, "clear", 4),
        (56, "raise", 4),
        (57, "clear", 4),
        (76, "raise", 4),
        (80, "clear", 4),
        (158, "raise", 4),
        (159, "clear", 4),
        (191, "raise", 4),
        (193, "clear", 4),
        (309, "raise", 2),
        (326, "rise", 4),
        (340, "clear", 4),
        (359, "raise", 2),
        (361, "clear", 2),
        (415, "raise", 4),
        (419, "clear", 4),
        (423, "raise", 4),
        (424, "clear", 4),
        (445, "raise", 4),
        (446, "clear", 4),
        (463, "raise", 4),
        (471, "fall", 2),
        (481, "clear", 2),
        (493, "raise", 4),
    ],
}


@ALL
def test_detection_instants_on_a_fixed_stream(name: str) -> None:
    values = np.clip(FIXED, 0.0, 8.0)
    some = discrete(name, scans(0, BEGAN_US + np.arange(len(values)) * 10 * SECOND_US, values))
    told = process(run(site_of(name), some).told)
    found = [
        ((one.sampled_us - BEGAN_US) // (10 * SECOND_US), str(one.change), int(one.level))
        for one in told
    ]
    assert found == EXPECTED[name]
