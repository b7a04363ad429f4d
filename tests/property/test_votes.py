"""What votes promise, as detectors do: however flushes are cut, whatever the order of channels."""

from collections.abc import Sequence

import numpy as np
from engine_sites import Watch, in_order, part_of
from hypothesis import given, settings
from hypothesis import strategies as st
from voting_sites import item, readings, voting_dam, voting_of

from alarms.annunciator import Annunciator
from alarms.checkpoint import decode, encode
from alarms.transition import Transition
from telemetry.plan import SitePlan
from telemetry.scan import JudgedScans

POINTS = {"a": 4, "b": 3}
NEAR = {"radius_m": 25.0, "window_s": 45.0}
VOTING = voting_of(
    item("line", 1, ["a0", "a1", "a2", "a3"], neighbours=NEAR),
    item("move", 2, ["b0", "b1", "b2", "a0"]),
    ladder={"blue_to_yellow": 3, "yellow_to_orange": 2, "orange_to_red": 2, "source": "Design"},
)
LEVEL = st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 4.0, np.nan])


@st.composite
def runs(draw: st.DrawFn) -> list[JudgedScans]:
    """Scans of both groups at uneven instants, some far apart; some readings bad."""
    found = []
    for group, count in enumerate(POINTS.values()):
        steps_s = draw(st.lists(st.sampled_from([1, 7, 10, 20, 200]), min_size=1, max_size=20))
        rows = draw(
            st.lists(
                st.lists(LEVEL, min_size=count, max_size=count),
                min_size=len(steps_s),
                max_size=len(steps_s),
            )
        )
        found.append(readings(group, np.cumsum(steps_s), rows))
    return found


def cuts_of(
    some: Sequence[JudgedScans], cuts: Sequence[tuple[int, int]]
) -> list[list[JudgedScans]]:
    """Cut each group's scans at rows of its own."""
    ends = [sorted({min(cut[n], len(one.judged_us)) for cut in cuts}) for n, one in enumerate(some)]
    steps = max(map(len, ends), default=0)
    flushes = []
    begin = [0] * len(some)
    for step in range(steps + 1):
        flush = []
        for n, one in enumerate(some):
            end = ends[n][step] if step < len(ends[n]) else len(one.judged_us)
            flush.append(part_of(one, begin[n], max(begin[n], end)))
            begin[n] = max(begin[n], end)
        flushes.append(flush)
    return flushes


def run(of: SitePlan, flushes: Sequence[Sequence[JudgedScans]], *, saved: bool = False) -> Watch:
    watch = Watch(of)
    for flush in flushes:
        watch.flush(*flush)
        if saved:
            watch.state = decode(watch.engine, encode(watch.engine, watch.state))
    return watch


def kept(watch: Watch) -> bytes:
    """What a checkpoint holds; groups may have taken turns, so alarms stand by name."""
    alarms = sorted(watch.state.alarms.values(), key=lambda one: one.occurrence)
    watch.state.annunciator = Annunciator.of(alarms)
    return encode(watch.engine, watch.state)


CUTS = st.lists(st.tuples(st.integers(1, 19), st.integers(1, 19)), max_size=8)


@settings(max_examples=60)
@given(some=runs(), cuts=CUTS)
def test_flush_boundaries_are_invisible(
    some: list[JudgedScans], cuts: list[tuple[int, int]]
) -> None:
    of = voting_dam(POINTS, VOTING)
    whole, cut = run(of, [some]), run(of, cuts_of(some, cuts))
    assert in_order(cut.told) == in_order(whole.told)
    assert cut.votes == whole.votes
    assert kept(cut) == kept(whole)


@settings(max_examples=60)
@given(some=runs(), cuts=CUTS)
def test_a_state_comes_back_from_a_checkpoint_anywhere(
    some: list[JudgedScans], cuts: list[tuple[int, int]]
) -> None:
    of, flushes = voting_dam(POINTS, VOTING), cuts_of(some, cuts)
    assert run(of, flushes, saved=True).told == run(of, flushes).told


def said(told: Sequence[Transition]) -> list[tuple[object, ...]]:
    return sorted(
        (one.sampled_us, one.channel, one.rule, str(one.change), int(one.level)) for one in told
    )


@given(some=runs(), order=st.permutations(range(4)))
def test_the_order_of_channels_is_irrelevant(some: list[JudgedScans], order: list[int]) -> None:
    line = ["a0", "a1", "a2", "a3"]
    turned = voting_of(*VOTING["items"][::-1], ladder=VOTING["ladder"])
    turned["items"][1] = {**turned["items"][1], "points": [line[n] for n in order]}
    told = run(voting_dam(POINTS, VOTING), [some]).told
    assert said(run(voting_dam(POINTS, turned), [some]).told) == said(told)


@given(some=runs())
def test_silence_clears_no_vote(some: list[JudgedScans]) -> None:
    of = voting_dam(POINTS, VOTING)
    watch = run(of, [some])
    standing: set[str] = set()
    for step in range(20):
        nothing = [
            readings(n, [10_000 + 30 * step], [[np.nan] * count])
            for n, count in enumerate(POINTS.values())
        ]
        if not step:  # Some votes were still waiting for one of the groups.
            watch.flush(*nothing)
            standing = {key for key, one in watch.state.alarms.items() if one.standing}
            continue
        told = watch.flush(*nothing).transitions
        assert not [one for one in told if one.rule == "vote" and one.change in {"clear", "fall"}]
    assert standing <= {key for key, one in watch.state.alarms.items() if one.standing}


@given(some=runs())
def test_a_vote_is_never_below_its_highest_point(some: list[JudgedScans]) -> None:
    watch = Watch(voting_dam(POINTS, VOTING))
    for vote in watch.flush(*some).votes:
        assert vote.document["voted"] >= vote.document["highest"]
        for one in vote.document["items"]:
            levels = [point["level"] for point in one["telling"]]
            assert one["voted"] >= one["highest"] == max([0, *levels])
