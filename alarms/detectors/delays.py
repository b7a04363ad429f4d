"""Delays: has a violation, or a return, lasted long enough to be believed?

Nothing waits here. A delay is a comparison of instants, made when a reading comes: decision
record 0004 says why.
"""

import numpy as np
from numpy.typing import NDArray

from alarms.detectors.limits import LEVELS


def believed_level(
    at_us: NDArray[np.int64],  # [rule] the instants of the readings
    *,
    violated_before: NDArray[np.int8],  # [rule] the level violated at the reading before
    violated: NDArray[np.int8],  # [rule] the level violated now
    since_us: NDArray[np.int64],  # [level, rule] since when it is as it was before
    believed_before: NDArray[np.int8],  # [rule]
    on_delay_us: NDArray[np.int64],  # [rule]
    off_delay_us: NDArray[np.int64],  # [rule]
    used: NDArray[np.bool_],  # [level, rule] the levels that a rule has
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Tell which level each rule believes, and since when each level is as it is now.

    A violation that began at t is believed at the first reading at or after t + on-delay that
    still violates; a return likewise with the off-delay. Levels keep their own time, and
    because a level is violated only together with all below it, a believed level implies
    those below.
    """
    violates = violated >= LEVELS
    turned = violates != (violated_before >= LEVELS)
    since_us = np.where(turned, at_us, since_us)
    lasted_us = at_us - since_us
    begins = violates & (lasted_us >= on_delay_us)
    ends = ~violates & (lasted_us >= off_delay_us)
    believes = (begins | ((believed_before >= LEVELS) & ~ends)) & used
    return np.max(np.where(believes, LEVELS, np.int8(0)), axis=0), since_us
