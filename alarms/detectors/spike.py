"""Spikes: has a channel leapt faster than the ground can move, and will it return?

Nobody knows at the leap itself. So a reading that leaps is not believed; when the next ones stay
where it went, or go further the same way, it was no spike: after so many of them they are believed,
however fast they are. Failing ground goes on; a spike comes back.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms.detectors.rate import HOUR_US, NEVER_US


class SpikeState(NamedTuple):
    """What each screened channel was last believed at, and what it has leapt to since."""

    believed_us: NDArray[np.int64]  # [channel] NEVER_US before the first reading
    believed: NDArray[np.float64]  # [channel]
    leapt_us: NDArray[np.int64]  # [channel]
    leapt: NDArray[np.float64]  # [channel]
    leaps: NDArray[np.int8]  # [channel] readings in a row that were not believed


def screen_spikes(
    at_us: NDArray[np.int64],  # [channel]
    value: NDArray[np.float64],  # [channel] none of them NaN
    before: SpikeState,
    *,
    most_per_hour: NDArray[np.float64],  # [channel] faster than this is a leap
    tolerance: NDArray[np.float64],  # [channel] the resolution: less is no movement
    believed_after: NDArray[np.int8],  # [channel]
) -> tuple[NDArray[np.bool_], SpikeState]:
    """Tell which readings are not to be believed, and the state from now on."""

    def is_far(us: NDArray[np.int64], from_: NDArray[np.float64]) -> NDArray[np.bool_]:
        allowed = most_per_hour * (np.maximum(at_us - us, 0) / HOUR_US) + tolerance
        far: NDArray[np.bool_] = np.abs(value - from_) > allowed
        return far

    is_first = before.believed_us == NEVER_US
    leaps = ~is_first & is_far(before.believed_us, before.believed)
    was_away = before.leaps > 0
    onward = np.sign(value - before.leapt) == np.sign(before.leapt - before.believed)
    stays = was_away & (~is_far(before.leapt_us, before.leapt) | onward)
    count = np.where(leaps, np.where(stays, before.leaps + 1, 1), 0).astype(np.int8)
    doubted = leaps & (count < believed_after)
    return doubted, SpikeState(
        believed_us=np.where(doubted, before.believed_us, at_us),
        believed=np.where(doubted, before.believed, value),
        leapt_us=np.where(doubted, at_us, before.leapt_us),
        leapt=np.where(doubted, value, before.leapt),
        leaps=np.where(doubted, count, np.int8(0)).astype(np.int8),
    )
