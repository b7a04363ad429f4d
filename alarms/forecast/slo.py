"""SLO: the slope of t·v against v is the time of failure.

From 1/v = A (t_f - t) follows t v = t_f v - 1/A: velocities and their products with time lie on a
line whose gradient is the time of failure (Mufundirwa, Fujii and Kodama 2010, Int. J. Rock Mech.
47:1). Fast, late rates weigh most, where inverse velocities weigh the slow, early ones most: where
both agree, the answer does not hang on a part of the record.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def slo_time(
    at_h: Floats,  # [channel, step]
    velocity: Floats,  # [channel, step] in the direction of movement, NaN where unusable
) -> Floats:  # [channel] hours on the scale of at_h; NaN from fewer than three rates
    """Fit t v = t_f v - B by least squares, for each channel.

    >>> t = np.arange(50.0, 91.0, 10.0)[np.newaxis]
    >>> round(float(slo_time(t, 1.0 / (0.02 * (100.0 - t)))[0]), 9)
    100.0
    """
    usable = np.isfinite(velocity) & (velocity > 0.0)
    count = usable.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        v = np.where(usable, velocity, 0.0)
        product = np.where(usable, at_h * velocity, 0.0)
        v_off = np.where(usable, v - (v.sum(axis=1) / count)[:, np.newaxis], 0.0)
        time = (v_off * product).sum(axis=1) / (v_off * v_off).sum(axis=1)
    return np.where((count >= 3) & np.isfinite(time), time, np.nan)
