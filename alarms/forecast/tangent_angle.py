"""Improved tangent angle: how steep is the movement, beside the slope's own uniform creep?

Displacement is divided by the velocity of the uniform stage, so that it becomes a time; then the
tangent of the curve stands at 45° in uniform creep, whatever the units of the plot (Xu Qiang et
al. 2009). Cuts at 45, 80 and 85° (tangents 1, 5.671 and 11.430) tell the stages.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CUTS_DEG = (45.0, 80.0, 85.0)


class CreepStage(IntEnum):
    """The stage that a tangent angle stands for."""

    UNKNOWN = 0  # No velocity, or no uniform stage to compare it with.
    UNIFORM = 1  # At most 45°.
    INITIAL_ACCELERATION = 2  # Above 45°.
    MIDDLE_ACCELERATION = 3  # From 80°.
    IMMINENT = 4  # From 85°.


def tangent_angle(velocity: Floats, uniform_velocity: Floats) -> Floats:
    """Angle in degrees: arctan(v / v_eq); NaN where the uniform velocity is not above zero.

    >>> [round(float(a), 2) for a in tangent_angle(np.array([1.0, 11.43]), np.array([1.0, 1.0]))]
    [45.0, 85.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(uniform_velocity > 0.0, velocity / uniform_velocity, np.nan)
    return np.degrees(np.arctan(np.maximum(ratio, 0.0)))


def creep_stage(angle_deg: Floats, tolerance_deg: float = 0.0) -> NDArray[np.int8]:
    """Stage of each angle; uniform creep may exceed its 45° by a tolerance, for noise's sake."""
    stage = np.full(angle_deg.shape, CreepStage.UNIFORM, np.int8)
    uniform, middle, imminent = CUTS_DEG
    stage[angle_deg > uniform + tolerance_deg] = CreepStage.INITIAL_ACCELERATION
    stage[angle_deg >= middle] = CreepStage.MIDDLE_ACCELERATION
    stage[angle_deg >= imminent] = CreepStage.IMMINENT
    stage[~np.isfinite(angle_deg)] = CreepStage.UNKNOWN
    return stage
