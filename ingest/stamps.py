"""Which instant is a scan judged at: its own stamp, or a repaired one?

An edge's clock can be set back, jump ahead, or start at 1970 with a dead battery. Its readings
are still readings. A stamp that goes back, or is more than five minutes ahead of its receipt, is
*suspect*: the scan is stored under it and judged at the last good instant plus the time that has
passed on the edge's monotonic clock. A stamp a day ahead, or from before the site began, is
*wild*: it may not even name a partition, so the scan is kept elsewhere and judged at its receipt.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AHEAD_SUSPECT_US = 5 * 60 * 1_000_000
AHEAD_WILD_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class StampState:
    """What is known of a group's time so far."""

    newest_us: int  # Judged instant of the newest scan; -1 before the first.
    anchor_us: int = -1  # The last good stamp, and the edge's monotonic clock at it;
    anchor_monotonic_us: int = -1  # -1 where none has been seen since the centre started.


@dataclass(frozen=True, slots=True, eq=False)
class JudgedStamps:
    """The verdict on each scan of a block."""

    judged_us: NDArray[np.int64]  # [scan], strictly increasing, after `newest_us`
    suspect: NDArray[np.bool_]  # [scan]
    wild: NDArray[np.bool_]  # [scan]
    state: StampState


def judge_stamps(
    sampled_us: NDArray[np.int64],
    monotonic_us: NDArray[np.int64],
    *,
    received_us: int,
    site_began_us: int,
    state: StampState,
) -> JudgedStamps:
    """Judge the stamps of a block's scans, in the order in which the edge took them."""
    before = np.concatenate([[state.newest_us], sampled_us[:-1]])
    ordinary = (sampled_us > before) & (sampled_us <= received_us + AHEAD_SUSPECT_US)
    ordinary &= sampled_us >= site_began_us
    if ordinary.all():
        return _all_good(sampled_us, monotonic_us, state)
    return _one_by_one(sampled_us, monotonic_us, received_us, site_began_us, state)


def _all_good(
    sampled_us: NDArray[np.int64], monotonic_us: NDArray[np.int64], state: StampState
) -> JudgedStamps:
    none = np.zeros(len(sampled_us), dtype=np.bool_)
    if len(sampled_us):
        last = int(sampled_us[-1])
        state = StampState(last, anchor_us=last, anchor_monotonic_us=int(monotonic_us[-1]))
    return JudgedStamps(sampled_us, none, none, state)


def _one_by_one(
    sampled_us: NDArray[np.int64],
    monotonic_us: NDArray[np.int64],
    received_us: int,
    site_began_us: int,
    state: StampState,
) -> JudgedStamps:
    """Walk through a block that has something wrong; each verdict depends on the one before."""
    judged = np.empty(len(sampled_us), dtype=np.int64)
    suspect = np.zeros(len(sampled_us), dtype=np.bool_)
    wild = np.zeros(len(sampled_us), dtype=np.bool_)
    newest, anchor, anchor_monotonic = (
        state.newest_us,
        state.anchor_us,
        state.anchor_monotonic_us,
    )
    for n, (stamp, monotonic) in enumerate(
        zip(sampled_us.tolist(), monotonic_us.tolist(), strict=True)
    ):
        wild[n] = stamp > received_us + AHEAD_WILD_US or stamp < site_began_us
        suspect[n] = not wild[n] and (stamp > received_us + AHEAD_SUSPECT_US or stamp <= newest)
        if not wild[n] and not suspect[n]:
            judged[n] = newest = anchor = stamp
            anchor_monotonic = monotonic
            continue
        passed = monotonic - anchor_monotonic
        # A monotonic clock that went back belongs to an edge that has restarted: no help.
        repaired = anchor + passed if suspect[n] and anchor >= 0 and passed >= 0 else received_us
        newest = max(newest + 1, min(repaired, received_us + AHEAD_SUSPECT_US))
        judged[n] = newest
    return JudgedStamps(judged, suspect, wild, StampState(newest, anchor, anchor_monotonic))
