"""STA/LTA: where in a waveform does an event begin?

The energy of a short window over that of a long one (Allen 1978, BSSA 68:1521), as plain means
and in the recursive form y = c·x² + (1 - c)·y, which needs no memory of windows (Withers et al.
1998, BSSA 88:95).
"""

import numpy as np
from numpy.typing import NDArray


def classic_ratio(
    trace: NDArray[np.float64],  # [..., sample] with its mean taken out
    *,
    short: int,  # Samples.
    long: int,
) -> NDArray[np.float64]:  # [..., sample]
    """Return the ratio of means at each sample; 0 until the long window is full.

    Both windows end with the sample.
    """
    assert 0 < short < long
    power = np.cumsum(np.square(trace), axis=-1)
    sta, lta = _mean(power, short), _mean(power, long)
    ratio = np.where(lta > 0.0, sta / np.where(lta > 0.0, lta, 1.0), 0.0)
    ratio[..., : long - 1] = 0.0
    return ratio


def recursive_ratio(
    trace: NDArray[np.float64],  # [..., sample]
    *,
    short: int,
    long: int,
) -> NDArray[np.float64]:  # [..., sample]
    """Return the recursive ratio at each sample; 0 until as many samples as the long window.

    Traces are computed side by side, samples one after the other.
    """
    assert 0 < short < long
    power = np.square(trace)
    sta = np.zeros(trace.shape[:-1])
    lta = np.full(trace.shape[:-1], 1e-99)
    ratio = np.zeros(trace.shape)
    for sample in range(1, trace.shape[-1]):
        sta = power[..., sample] / short + (1.0 - 1.0 / short) * sta
        lta = power[..., sample] / long + (1.0 - 1.0 / long) * lta
        ratio[..., sample] = sta / lta
    ratio[..., :long] = 0.0
    return ratio


def triggers(
    ratio: NDArray[np.float64],  # [sample]
    *,
    on: float,
    off: float,
) -> NDArray[np.int64]:  # [event, 2]
    """Return where events begin and end: on at or above one ratio, off below another.

    The end is the last sample at or above `off`; an event that still runs ends with the trace.

    >>> triggers(np.array([0.0, 3.0, 4.0, 2.0, 1.0, 5.0, 2.0]), on=3.0, off=1.5).tolist()
    [[1, 3], [5, 6]]
    """
    assert off <= on
    events = []
    held = np.flatnonzero(ratio >= off)
    for run in np.split(held, np.flatnonzero(np.diff(held) > 1) + 1):
        starts = run[ratio[run] >= on]
        if len(starts):
            events.append((int(starts[0]), int(run[-1])))
    return np.array(events, dtype=np.int64).reshape(-1, 2)


def _mean(power: NDArray[np.float64], samples: int) -> NDArray[np.float64]:
    before = np.zeros_like(power)
    before[..., samples:] = power[..., :-samples]
    return np.maximum(power - before, 0.0) / samples
