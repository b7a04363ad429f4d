"""Whatever clocks do, judged time advances, stays near the receipt, and comes right again."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingest.stamps import AHEAD_SUSPECT_US, JudgedStamps, Receipt, StampState, judge_stamps

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGAN = 1_700_000_000_000_000
NOW = BEGAN + 100 * DAY

OFFSETS = (
    st.integers(-50 * MINUTE, 50 * MINUTE)
    | st.integers(-3 * DAY, 3 * DAY)
    | st.sampled_from([-NOW, -200 * DAY, 0, AHEAD_SUSPECT_US])
)
MONOTONIC = st.integers(0, HOUR) | st.integers(-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class Arrived:
    """A block as it came."""

    stamps: list[int]
    monotonic: list[int]
    received: int
    stream: int


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrived]:
    """Blocks of a group from two streams, as wrong as can be; the centre's clock may step too."""
    received = NOW
    found = []
    for _ in range(draw(st.integers(1, 8))):
        received += draw(st.integers(0, 10 * MINUTE) | st.integers(-2 * DAY, 2 * DAY))
        scans = draw(st.lists(st.tuples(OFFSETS, MONOTONIC), max_size=6))
        found.append(
            Arrived(
                [received + offset for offset, _ in scans],
                [monotonic for _, monotonic in scans],
                received,
                draw(st.sampled_from([1, 2])),
            )
        )
    return found


def judge(block: Arrived, state: StampState) -> JudgedStamps:
    return judge_stamps(
        np.array(block.stamps, dtype=np.int64),
        np.array(block.monotonic, dtype=np.int64),
        receipt=Receipt(block.stream, block.received, BEGAN),
        state=state,
    )


def cut(block: Arrived, at: int) -> tuple[Arrived, Arrived]:
    first = Arrived(block.stamps[:at], block.monotonic[:at], block.received, block.stream)
    rest = Arrived(block.stamps[at:], block.monotonic[at:], block.received, block.stream)
    return first, rest


@given(blocks=arrivals(), at=st.integers(0, 6))
@settings(max_examples=300, deadline=None)
def test_judged_time_advances_however_blocks_are_cut(blocks: list[Arrived], at: int) -> None:
    whole = StampState(-1)
    parts = StampState(-1)
    judged = [-1]
    for block in blocks:
        verdict = judge(block, whole)
        whole = verdict.state
        judged += verdict.judged_us.tolist()
        again = []
        for part in cut(block, at):
            piece = judge(part, parts)
            parts = piece.state
            again += piece.judged_us.tolist()
        assert again == verdict.judged_us.tolist()

    assert parts == whole
    assert all(one < other for one, other in pairwise(judged))


@given(blocks=arrivals())
@settings(max_examples=300, deadline=None)
def test_no_repair_leads_away_from_the_receipt(blocks: list[Arrived]) -> None:
    """A judged instant is ahead of the receipt only as far as a trusted stamp, or the centre's
    own clock, has brought it there, and from then on it comes nearer.
    """
    state = StampState(-1)
    received = NOW
    allowed = 0  # How far ahead of the receipt judged time may be.
    for block in blocks:
        allowed = max(0, allowed - (block.received - received) + (block.received - received) // 2)
        if block.received < received:
            allowed = max(allowed, state.newest_us - block.received)
        received = block.received
        verdict = judge(block, state)
        for judged, suspect, wild in zip(
            verdict.judged_us.tolist(), verdict.suspect, verdict.wild, strict=True
        ):
            if suspect or wild:
                allowed += 1
                assert judged - received <= max(allowed, 1)
            else:
                assert judged - received <= AHEAD_SUSPECT_US
                allowed = max(0, judged - received)
        state = verdict.state


@given(
    blocks=arrivals(),
    period=st.sampled_from([SECOND, 10 * SECOND, MINUTE]),
    latency=st.integers(0, 3 * SECOND),
    per_block=st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_right_stamps_are_trusted_again_after_twice_the_time_judged_ahead(
    blocks: list[Arrived], period: int, latency: int, per_block: int
) -> None:
    state = StampState(-1)
    for block in blocks:
        state = judge(block, state).state
    begin = blocks[-1].received
    # Time that has been waited and not been used may still be used, at half speed.
    ahead = max(0, state.newest_us - min(begin, state.received_us))
    assume(ahead <= HOUR)

    suspect_until = None
    for first in range(0, 2 * ahead // period + 20 * per_block + 20, per_block):
        taken = [begin + (first + n) * period for n in range(per_block)]
        monotonic = [one - begin + 1 for one in taken]
        verdict = judge(Arrived(taken, monotonic, taken[-1] + latency, 3), state)
        assert not verdict.wild.any()
        state = verdict.state
        if verdict.suspect.any():
            suspect_until = taken[-1]
    settling = 2 * (latency + (2 * per_block + 4) * period)
    assert suspect_until is None or suspect_until - begin <= 2 * ahead + settling


@given(
    set_back=st.integers(AHEAD_SUSPECT_US + 1, 20 * HOUR),
    scans=st.integers(1, 60),
    per_block=st.integers(1, 7),
    late=st.integers(0, 5 * HOUR),
)
@settings(max_examples=200, deadline=None)
def test_a_clock_set_back_leaves_true_intervals(
    set_back: int, scans: int, per_block: int, late: int
) -> None:
    """Live or as a backlog: as long as the edge runs, its readings are as far apart."""
    state = judge(Arrived([NOW], [0], NOW + late, 1), StampState(-1)).state
    judged = [NOW]
    for first in range(1, scans + 1, per_block):
        taken = [n * MINUTE for n in range(first, first + per_block)]
        block = Arrived([NOW + one - set_back for one in taken], taken, NOW + late + taken[-1], 1)
        verdict = judge(block, state)
        state = verdict.state
        judged += verdict.judged_us.tolist()

    near = late + per_block * MINUTE >= set_back - AHEAD_SUSPECT_US
    assume(not near or late == 0)
    assert set(np.diff(judged).tolist()) == {MINUTE}
