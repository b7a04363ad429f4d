"""The detectors that carry a sum or a mean from reading to reading, over many readings at once.

Each does, reading after reading, exactly what its detector does with one (`alarms.detectors`): same
operations in the same order, so the same numbers to the last bit. Time goes down the rows; a NaN is
no reading, and leaves everything as it was. Rows of results are as of after their reading.
"""

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]  # [chart]
Matrix = NDArray[np.float64]  # [reading, chart]


def smoothed_means(deviation: Matrix, *, smoothed: Column, weight: Column) -> Matrix:
    """Smooth deviations exponentially: see `alarms.detectors.ewma`."""
    found = np.empty_like(deviation)
    step = np.empty_like(smoothed)
    lacks = _lacking(deviation)
    before = smoothed
    for n, (one, row) in enumerate(zip(deviation, found, strict=True)):
        np.subtract(one, before, step)
        np.multiply(weight, step, step)
        np.add(before, step, row)
        if lacks is not None:
            np.copyto(row, before, where=lacks[n])
        before = row
    return found


def fadings(deviation: Matrix, *, fading: Column, fade: Column) -> Matrix:
    """Return how far each smoothed mean still remembers that it began at 0."""
    if not fading.any():  # Soon it has forgotten all of it, and stays so.
        return np.broadcast_to(fading, deviation.shape)
    factors = np.broadcast_to(fade, deviation.shape)
    lacks = _lacking(deviation)
    if lacks is not None:
        factors = np.where(lacks, 1.0, factors)
    return np.multiply.accumulate(np.vstack([fading, factors]), axis=0)[1:]


def sums(added: Matrix, *, total: Column, most: Column) -> Matrix:
    """Add up between 0 and a bound: see `alarms.detectors.cusum`."""
    found = np.empty_like(added)
    lacks = _lacking(added)
    least = np.zeros_like(total)  # A number would be made an array of in every round.
    before = total
    for n, (one, row) in enumerate(zip(added, found, strict=True)):
        np.add(before, one, row)
        np.maximum(row, least, out=row)
        np.minimum(row, most, out=row)
        if lacks is not None:
            np.copyto(row, before, where=lacks[n])
        before = row
    return found


def page_hinkley_sums(
    reading: Matrix, *, count: Column, mean: Column, total: Column, slack: Column, most: Column
) -> tuple[Matrix, Matrix, Column]:
    """Add up deviations from the mean so far; return sums, counts, and the mean in the end."""
    there = ~np.isnan(reading)
    counts = np.add.accumulate(np.vstack([count, there]), axis=0)[1:]
    found = np.empty_like(reading)
    lacks = _lacking(reading)
    least = np.zeros_like(total)
    before, mean, step = total, mean.copy(), np.empty_like(mean)
    for n, (one, row) in enumerate(zip(reading, found, strict=True)):
        np.subtract(one, mean, step)
        np.divide(step, counts[n], step)
        if lacks is not None:
            step[lacks[n]] = 0.0
        np.add(mean, step, mean)
        np.subtract(one, mean, row)
        np.subtract(row, slack, row)
        np.add(before, row, row)
        np.maximum(row, least, out=row)
        np.minimum(row, most, out=row)
        if lacks is not None:
            np.copyto(row, before, where=lacks[n])
        before = row
    return found, counts, mean


def _lacking(of: Matrix) -> NDArray[np.bool_] | None:
    lacks = np.isnan(of)
    return lacks if lacks.any() else None
