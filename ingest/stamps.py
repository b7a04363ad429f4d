"""Which instant is a scan judged at: its own stamp, or a repaired one?

An edge's clock can be set back, jump ahead, or start at 1970 with a dead battery. Its readings
are still readings. A stamp that is not after the one before, or is more than five minutes ahead
of its receipt, is *suspect*: the scan is stored under it and judged at a repaired instant. A
stamp a day ahead, or from before the site began, is *wild*: it may not even name a partition, so
the scan is kept elsewhere, and judged at a repaired instant too.

A repaired instant is the newest judged one plus the time that has passed on the edge's monotonic
clock, as long as the edge runs without a restart; otherwise it is the receipt. Three things hold:

- Judged instants never go back, so that no delay is measured twice.
- A repaired instant is not ahead of the receipt. Where the newest is ahead already (the clock
  was ahead and trusted, or the centre's own clock has been set back) judged time runs at half
  speed, by the edge's monotonic clock and by the centre's, until the receipt has caught up.
- A stamp near its receipt is right, whatever was before. So judged time runs at half speed until
  the stamps are ahead of it, and then they count again.

What has been delivered before and comes again in a new stream (an edge was restored from an old
copy) tells nothing about now: it keeps its own stamp, and the engine passes over it.

Where scans come in no order that means anything (messages, gateways, files), a stamp that is not
after the newest is no sign of a wrong clock. Such a scan is *late*: it keeps its own stamp, moves
nothing, and is not shown to the engine, now or in a replay (decision record 0008).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AHEAD_SUSPECT_US = 5 * 60 * 1_000_000  # Behind its receipt by less, a stamp can be trusted again.
AHEAD_WILD_US = 24 * 3600 * 1_000_000

Bools = NDArray[np.bool_]
Instants = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StampState:
    """What is known of a group's time so far: its newest judged scan."""

    newest_us: int  # The instant it was judged at; negative before the first.
    stream_id: int = -1  # Whose monotonic clock it was; -1: not known.
    monotonic_us: int = 0
    received_us: int = -1  # -1: not known. Ahead of the receipt: up to where it has been used.


@dataclass(frozen=True, slots=True, eq=False)
class JudgedStamps:
    """The verdict on each scan of a block."""

    judged_us: Instants  # [scan], strictly increasing, after `newest_us`, but for repetitions
    suspect: Bools  # [scan]
    wild: Bools  # [scan]
    # [scan] not after the newest, of a source without order; not judged as now. None: none is.
    late: Bools | None
    state: StampState


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a block came."""

    stream_id: int
    received_us: int
    site_began_us: int

    def is_wild(self, stamp_us: int) -> bool:
        """Tell whether a stamp can't be meant."""
        return stamp_us > self.received_us + AHEAD_WILD_US or stamp_us < self.site_began_us

    def is_near(self, stamp_us: int) -> bool:
        """Tell whether a stamp is so near that nothing speaks against it."""
        near = abs(stamp_us - self.received_us) <= AHEAD_SUSPECT_US
        return near and not self.is_wild(stamp_us)


def judge_stamps(
    sampled_us: Instants,
    monotonic_us: Instants,
    *,
    receipt: Receipt,
    state: StampState,
    repeated: Bools | None = None,  # [scan] delivered before, in another stream
    in_order: bool = True,
) -> JudgedStamps:
    """Judge the stamps of a block's scans, in the order in which they came."""
    before = np.concatenate([[state.newest_us], sampled_us[:-1]])
    plausible = sampled_us <= receipt.received_us + AHEAD_SUSPECT_US
    plausible &= sampled_us >= receipt.site_began_us
    if (plausible & (sampled_us > before)).all():
        return _all_good(sampled_us, monotonic_us, receipt, state)
    if not in_order:
        if plausible.all():
            return _without_order(sampled_us, monotonic_us, receipt, state)
        repeated = None  # What is not after the newest is late, whoever sent it before.
    return _one_by_one(
        sampled_us,
        monotonic_us,
        receipt,
        state,
        np.zeros(len(sampled_us), dtype=np.bool_) if repeated is None else repeated,
        in_order=in_order,
    )


def _all_good(
    sampled_us: Instants, monotonic_us: Instants, receipt: Receipt, state: StampState
) -> JudgedStamps:
    none = np.zeros(len(sampled_us), dtype=np.bool_)
    if len(sampled_us):
        newest_us, monotonic = int(sampled_us[-1]), int(monotonic_us[-1])
        state = StampState(newest_us, receipt.stream_id, monotonic, receipt.received_us)
    return JudgedStamps(sampled_us, none, none, None, state)


def _without_order(
    sampled_us: Instants, monotonic_us: Instants, receipt: Receipt, state: StampState
) -> JudgedStamps:
    """Find what is late where nothing else is wrong."""
    newest_us = np.maximum.accumulate(np.concatenate([[state.newest_us], sampled_us]))[:-1]
    late = sampled_us <= newest_us
    counting = ~late
    verdict = _all_good(sampled_us[counting], monotonic_us[counting], receipt, state)
    none = np.zeros(len(sampled_us), dtype=np.bool_)
    return JudgedStamps(sampled_us, none, none, late, verdict.state)


def _one_by_one(
    sampled_us: Instants,
    monotonic_us: Instants,
    receipt: Receipt,
    state: StampState,
    repeated: Bools,
    *,
    in_order: bool,
) -> JudgedStamps:
    """Walk through a block that has something wrong; each verdict depends on the one before."""
    judged = sampled_us.copy()
    suspect = np.zeros(len(sampled_us), dtype=np.bool_)
    wild = np.zeros(len(sampled_us), dtype=np.bool_)
    late = np.zeros(len(sampled_us), dtype=np.bool_)
    for n, stamp_us, monotonic in _numbered(sampled_us, monotonic_us):
        after = stamp_us > state.newest_us
        if repeated[n] and not after:
            continue
        wild[n] = receipt.is_wild(stamp_us)
        ahead = stamp_us > receipt.received_us + AHEAD_SUSPECT_US
        late[n] = not (in_order or after or wild[n] or ahead)
        if late[n]:
            continue
        suspect[n] = not wild[n] and (ahead or not after)
        if wild[n] or suspect[n]:
            state = _repaired(stamp_us, monotonic, receipt, state)
            judged[n] = state.newest_us
        else:
            state = StampState(stamp_us, receipt.stream_id, monotonic, receipt.received_us)
    return JudgedStamps(judged, suspect, wild, late if late.any() else None, state)


def _numbered(sampled_us: Instants, monotonic_us: Instants) -> Iterator[tuple[int, int, int]]:
    """Count scans as plain numbers: a monotonic clock may show anything, and these have no end."""
    yield from zip(range(len(sampled_us)), sampled_us.tolist(), monotonic_us.tolist(), strict=True)


def _repaired(stamp_us: int, monotonic: int, receipt: Receipt, state: StampState) -> StampState:
    """Find the instant at which a scan is judged whose stamp can't be taken as it is."""
    now_us = receipt.received_us
    waited_us = max(0, now_us - state.received_us) if state.received_us >= 0 else 0
    # A monotonic clock that does not advance belongs to an edge that has restarted: no help.
    runs_on = state.stream_id == receipt.stream_id and monotonic > state.monotonic_us
    passed_us = monotonic - state.monotonic_us if runs_on else waited_us
    used_us = now_us
    if state.newest_us >= now_us:
        step_us = min(passed_us, waited_us) // 2
        judged_us = state.newest_us + step_us
        used_us = now_us - waited_us + 2 * step_us  # The scans of a block share what was waited.
    elif receipt.is_near(stamp_us):
        judged_us = min(now_us, state.newest_us + passed_us // 2)
    else:
        judged_us = min(now_us, state.newest_us + passed_us) if runs_on else now_us
    judged_us = max(judged_us, state.newest_us + 1)
    return StampState(judged_us, receipt.stream_id, monotonic, used_us)
