"""Scans without an order of their own: however they come, what is judged goes on in time."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.stamps import AHEAD_SUSPECT_US, Receipt, StampState, judge_stamps

NOW = 1_751_328_000_000_000
BEGAN = NOW - 10**12
RECEIPT = Receipt(stream_id=1, received_us=NOW, site_began_us=BEGAN)
NEVER = StampState(-1)
PLAUSIBLE = st.integers(-20, 3).map(lambda n: NOW + n * 60_000_000)
AHEAD = st.integers(1, 5).map(lambda n: NOW + n * 2 * AHEAD_SUSPECT_US)
WILD = st.sampled_from([0, BEGAN - 1, NOW + 10**13])
CUTS = st.frozensets(st.integers(1, 40))


def judged(stamps: list[int], cuts: frozenset[int]) -> tuple[list[int], list[bool], StampState]:
    """Judge stamps block by block: the instants the engine is shown, what was late, the end."""
    state, shown, late = NEVER, [], []
    edges = [0, *sorted(cut for cut in cuts if cut < len(stamps)), len(stamps)]
    for begin, end in itertools.pairwise(edges):
        sampled = np.array(stamps[begin:end], np.int64)
        nothing = np.zeros(len(sampled), np.int64)
        one = judge_stamps(sampled, nothing, receipt=RECEIPT, state=state, in_order=False)
        is_late = np.zeros(len(sampled), np.bool_) if one.late is None else one.late
        shown += one.judged_us[~is_late].tolist()
        late += is_late.tolist()
        assert not (is_late & (one.wild | one.suspect)).any()
        assert (one.judged_us[is_late] == sampled[is_late]).all()
        state = one.state
    return shown, late, state


@given(stamps=st.lists(st.one_of(PLAUSIBLE, AHEAD, WILD), min_size=1, max_size=40), cuts=CUTS)
def test_what_the_engine_is_shown_goes_on_in_time(stamps: list[int], cuts: frozenset[int]) -> None:
    shown, late, state = judged(stamps, cuts)

    assert all(one < other for one, other in itertools.pairwise(shown))
    assert state.newest_us == max(shown, default=-1)
    assert len(shown) + sum(late) == len(stamps)


@given(stamps=st.lists(PLAUSIBLE, min_size=1, max_size=40), cuts=CUTS)
def test_late_is_what_is_not_after_all_before_it(stamps: list[int], cuts: frozenset[int]) -> None:
    shown, late, _ = judged(stamps, cuts)

    assert late == [stamp <= max(stamps[:n], default=-1) for n, stamp in enumerate(stamps)]
    assert shown == [stamp for stamp, is_late in zip(stamps, late, strict=True) if not is_late]
    assert judged(stamps, frozenset()) == judged(stamps, cuts)
