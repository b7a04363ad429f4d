"""How far a reading can be trusted, and why not: one small number per reading.

Below 100 a reading may be judged (it is good or uncertain); from 100 on it is bad, and
nothing may be concluded from it: bad data neither raises an alarm nor clears one.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray


class Quality(IntEnum):
    """Why a reading is good, uncertain or bad; stored as int2, so numbers never change meaning."""

    GOOD = 0

    CLOCK_SUSPECT = 1  # The stamp is implausible; the value is judged at a repaired instant.
    CONFLICT = 2  # Another value is stored for the same instant.
    IN_MAINTENANCE = 3

    NO_VALUE = 100  # Nothing was read into this slot (a newer layout, a gap inside a file).
    # These three are about the line and the device, not about the channel: keep them together.
    NO_REPLY = 101  # The device did not answer in time.
    DEVICE_ERROR = 102  # The device answered with an exception.
    NO_CONNECTION = 103  # The bus could not be reached at all.
    NOT_FINITE = 110  # NaN or infinity came from the device.
    ELECTRICAL = 111  # Outside the electrical range: an open or shorted circuit.
    OUT_OF_RANGE = 112  # A value that this instrument cannot measure.
    CONVERSION_FAILED = 113  # The formula has no finite result, or a companion is bad.
    UNKNOWN_STATE = 114  # A discrete channel shows a number that names no state.
    STALE_INPUT = 115  # An input of a calculated channel is missing, bad or too old.
    NO_VALUE_CODE = 116  # The device itself says, by a number set aside for it, that it has none.
    FROZEN = 120
    SPIKE = 121
    OUTLIER = 122


FIRST_BAD: Final = 100


def is_screened(quality: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Tell which readings the centre's screens did not believe; these keep their value."""
    return (quality >= Quality.FROZEN) & (quality <= Quality.OUTLIER)


def is_unread(quality: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Tell which readings never came, for a reason of the line or the device: see NO_REPLY."""
    return (quality >= Quality.NO_REPLY) & (quality <= Quality.NO_CONNECTION)


def is_bad(quality: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Tell which readings nothing may be concluded from."""
    return quality >= FIRST_BAD


def shown(value: NDArray[np.float64], quality: NDArray[np.int16]) -> NDArray[np.float64]:
    """Leave out values that nothing may be concluded from, though they are kept.

    >>> shown(np.array([1.0, 9.0]), np.array([0, 121], np.int16)).tolist()
    [1.0, nan]
    """
    return np.where(is_bad(quality), np.nan, value)
