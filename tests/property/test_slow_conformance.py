"""What every slow method promises, present and future: a table of them, the same tests for all.

Methods join by a line in tests/slow_cases.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from engine_sites import BEGAN_US, SECOND_US, channel, part_of, plan, scans
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_cases import BESIDE, BIN_S, SLOW_CASES

from alarms.slow.judge import SlowJudge
from alarms.slow.methods import METHODS
from alarms.slow.state import SlowState, decode_slow, encode_slow
from alarms.transition import Belief
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

PERIOD_S = 10.0
ALL = pytest.mark.parametrize("name", SLOW_CASES)
FEW = settings(max_examples=4)  # Each of these is asked of every method.


@dataclass(frozen=True)
class Story:
    """An hour or so that is quiet, then moves, with gaps; some readings bad. Two channels."""

    seed: int
    count: int
    gaps: tuple[tuple[int, float], ...]  # Scans, and how many seconds before them nothing came.
    lost: float
    reason: Quality

    def scans(self) -> JudgedScans:
        chance = np.random.default_rng(self.seed)
        steps_s = np.full(self.count, PERIOD_S)
        for place, gap_s in self.gaps:
            steps_s[place % self.count] = gap_s
        quiet = 4.0 + chance.normal(0.0, 0.05, self.count)
        value = np.stack([moving(chance, self.count), quiet], axis=1)
        quality = np.full(value.shape, Quality.GOOD)
        lost = chance.random(value.shape) < self.lost
        quality[lost], value[lost] = self.reason, 99.0  # It must move nothing.
        at_us = BEGAN_US + (np.cumsum(steps_s) * SECOND_US).astype(np.int64)
        return scans(0, at_us, value, quality=quality)


def stories(*, bad: bool = True) -> st.SearchStrategy[Story]:
    gap = st.tuples(st.integers(1, 199), st.sampled_from([35.0, 200.0, 4_000.0]))
    return st.builds(
        Story,
        seed=st.integers(0, 2**32),
        count=st.integers(200, 330),
        gaps=st.lists(gap, max_size=3).map(tuple),
        lost=st.sampled_from([0.0, 0.1, 0.6]) if bad else st.just(0.0),
        reason=st.sampled_from([Quality.NO_REPLY, Quality.SPIKE, Quality.FROZEN]),
    )


def moving(chance: np.random.Generator, count: int) -> np.ndarray:
    """Quiet for a third, then creep that accelerates towards an end beyond the stream."""
    left = np.maximum(1.05 - np.arange(count) / count, 0.01)
    moved = np.where(np.arange(count) > count / 3, -np.log(left / 0.72) * 6.0, 0.0)
    return 4.0 + np.maximum(moved, 0.0) + chance.normal(0.0, 0.05, count)


def site_of(*names: str) -> SitePlan:
    """A group with a channel for each method named, and one beside them."""
    channels = [
        channel(f"{name}_{n}", n, resolution=0.01, **SLOW_CASES[name])
        for n, name in enumerate(names)
    ]
    return plan({"a": [*channels, channel(BESIDE, len(names))]}, period_s=PERIOD_S)


def run(
    of: SitePlan, some: JudgedScans, cuts: Sequence[int] = (), *, kept: bool = False
) -> tuple[SlowState, list[Belief]]:
    judge = SlowJudge(of)
    state, told = judge.initial_state(), []
    ends = [*sorted({cut for cut in cuts if 0 < cut < len(some.judged_us)}), len(some.judged_us)]
    for begin, end in zip([0, *ends], ends, strict=False):
        outcome = judge.step(state, [part_of(some, begin, end)])
        assert not outcome.failed
        told += outcome.beliefs
        if kept:
            state = decode_slow(of, judge.rules, encode_slow(of, judge.rules, state))
    return state, told


def encoded(of: SitePlan, state: SlowState) -> bytes:
    return encode_slow(of, SlowJudge(of).rules, state)


def test_every_method_is_in_the_table() -> None:
    asked = {rule.method for name in SLOW_CASES for rule in SlowJudge(site_of(name)).rules.rules}
    by_days = {"hydrostatic", "antecedent_rain", "recent_rain"}  # See tests/unit/test_slow_*.

    assert asked | by_days == set(METHODS)


@ALL
def test_the_streams_of_this_suite_make_it_believe_something(name: str) -> None:
    chance = np.random.default_rng(4)
    at_us = BEGAN_US + np.arange(700) * round(PERIOD_S * SECOND_US)
    beside = 4.0 + chance.normal(0.0, 0.05, 700)
    way = -1.0 if name == "rate_low" else 1.0
    value = np.stack([way * moving(chance, 700), beside], axis=1)

    assert run(site_of(name), scans(0, at_us, value))[1]


@ALL
@FEW
@given(story=stories(), cuts=st.lists(st.integers(1, 329), max_size=12))
def test_flush_boundaries_are_invisible(name: str, story: Story, cuts: list[int]) -> None:
    some = story.scans()
    of = site_of(name)
    whole, cut = run(of, some), run(of, some, cuts)
    assert cut[1] == whole[1]
    assert encoded(of, cut[0]) == encoded(of, whole[0])


@ALL
@FEW
@given(story=stories(), cuts=st.lists(st.integers(1, 329), min_size=1, max_size=3))
def test_a_state_comes_back_from_a_checkpoint_anywhere(
    name: str, story: Story, cuts: list[int]
) -> None:
    some = story.scans()
    assert run(site_of(name), some, cuts, kept=True)[1] == run(site_of(name), some)[1]


@ALL
@FEW
@given(story=stories())
def test_channels_share_nothing_and_their_order_is_irrelevant(name: str, story: Story) -> None:
    some = story.scans()
    # Another channel of the same kind before it, which moves otherwise.
    other = np.column_stack([some.value[::-1, :1], some.value])
    quality = np.column_stack([np.zeros_like(some.quality[:, :1]), some.quality])
    together = run(site_of(name, name), scans(0, some.judged_us, other, quality=quality))[1]
    found = [
        (one.at_us, one.rule, one.level, one.evidence) for one in together if one.channel[-1] == "1"
    ]
    alone = run(site_of(name), some)[1]
    assert found == [(one.at_us, one.rule, one.level, one.evidence) for one in alone]


@ALL
@FEW
@given(story=stories(bad=False), seed=st.integers(0, 1_000))
def test_bad_readings_neither_raise_nor_clear(name: str, story: Story, seed: int) -> None:
    """Bad scans between good ones, inside bins that have some, change no belief."""
    some = story.scans()
    more = np.random.default_rng(seed).random(len(some.judged_us)) < 0.3
    at_us = np.concatenate([some.judged_us, some.judged_us[more] + 1])
    value = np.concatenate([some.value, np.full((int(more.sum()), 2), 99.0)])
    quality = np.where(np.arange(len(at_us)) < len(some.judged_us), Quality.GOOD, Quality.SPIKE)
    order = np.argsort(at_us, kind="stable")
    mixed = scans(
        0, at_us[order], value[order], quality=np.repeat(quality[order, np.newaxis], 2, axis=1)
    )
    assert run(site_of(name), mixed)[1] == run(site_of(name), some)[1]


@ALL
def test_silence_and_bad_readings_clear_nothing(name: str) -> None:
    """After it has believed something, a day of bad readings is no return."""
    chance = np.random.default_rng(4)
    way = -1.0 if name == "rate_low" else 1.0
    value = np.stack([way * moving(chance, 700), 4.0 + chance.normal(0.0, 0.05, 700)], axis=1)
    at_us = BEGAN_US + np.arange(700) * round(PERIOD_S * SECOND_US)
    of = site_of(name)
    judge = SlowJudge(of)
    state = judge.initial_state()
    told = judge.step(state, [scans(0, at_us, value)]).beliefs
    stood = state.believed.copy()
    later_us = at_us[-1] + np.arange(1, 500) * round(10 * PERIOD_S * SECOND_US)
    bad = np.full((499, 2), np.nan)

    after = judge.step(state, [scans(0, later_us, bad)]).beliefs

    assert told
    # What the last good bins said may still come; nothing after them says anything.
    quiet_from_us = int(at_us[-1]) + round(2 * BIN_S * SECOND_US)
    beyond = [one for one in after if one.at_us > quiet_from_us]
    if name not in {"rate", "rate_low", "theil_sen", "mann_kendall", "tangent_angle", "drift"}:
        assert beyond == []
    assert all(one.level > 0 for one in beyond) or stood.max() == 0
    assert np.isnan(state.figure).all()


@ALL
@FEW
@given(story=stories(), days=st.integers(-1_000, 1_000))
def test_only_event_time_counts(name: str, story: Story, days: int) -> None:
    some = story.scans()
    by_us = days * 86_400 * SECOND_US
    later = scans(0, some.judged_us + by_us, some.value, quality=some.quality)
    if name == "seasonal":  # The hour of the day is a driver; days are counted since 1970.
        return
    found = [(one.at_us - by_us, one.rule, one.level) for one in run(site_of(name), later)[1]]
    assert found == [(one.at_us, one.rule, one.level) for one in run(site_of(name), some)[1]]


@ALL
@FEW
@given(story=stories(), seed=st.integers(0, 1_000))
def test_late_scans_fill_bins_and_end_none(name: str, story: Story, seed: int) -> None:
    """A scan that comes again, long after, in whatever order, is asked about no second time."""
    some = story.scans()
    of = site_of(name)
    judge = SlowJudge(of)
    state = judge.initial_state()
    judge.step(state, [some])
    rows = np.random.default_rng(seed).permutation(len(some.judged_us))[:50]
    late = scans(0, some.judged_us[rows], some.value[rows], quality=some.quality[rows])
    newest = int(some.judged_us.max())
    late = part_of(late, 0, len(rows)) if newest not in late.judged_us else part_of(late, 0, 0)

    outcome = judge.step(state, [late])

    assert not outcome.beliefs
    assert not outcome.asked
