"""The recurrences of `alarms.plain_recurrences`, compiled by Numba: the same operations in order.

Compiled when this is first imported, and then kept on disk. Nothing is relaxed (no `fastmath`), so
no operation is fused or reordered, and every bit is the same.
"""

import numpy as np
from numba import float64, njit, void
from numpy.typing import NDArray

from alarms.plain_recurrences import Column, Matrix

_COLUMN, _MATRIX = float64[::1], float64[:, ::1]


def smoothed_means(deviation: Matrix, *, smoothed: Column, weight: Column) -> Matrix:
    """Smooth deviations exponentially: see `alarms.detectors.ewma`."""
    found = np.empty(deviation.shape)
    _smooth(_whole(deviation), _whole(smoothed), _whole(weight), found)
    return found


def sums(added: Matrix, *, total: Column, most: Column) -> Matrix:
    """Add up between 0 and a bound: see `alarms.detectors.cusum`."""
    found = np.empty(added.shape)
    _sum(_whole(added), _whole(total), _whole(most), found)
    return found


def page_hinkley_sums(
    reading: Matrix, *, count: Column, mean: Column, total: Column, slack: Column, most: Column
) -> tuple[Matrix, Matrix, Column]:
    """Add up deviations from the mean so far; return sums, counts, and the mean in the end."""
    found, counts, last = np.empty(reading.shape), np.empty(reading.shape), mean.copy()
    seen, added, less, bound = (_whole(one) for one in (count, total, slack, most))
    _page_hinkley(_whole(reading), seen, added, less, bound, found, counts, last)
    return found, counts, last


def _whole(of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an array as the compiled code wants it: contiguous, and its own."""
    return np.require(of, np.float64, ["C", "W"])


def _smooth_each(deviation, smoothed, weight, found):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for column in range(deviation.shape[1]):
        now = smoothed[column]
        for row in range(deviation.shape[0]):
            one = deviation[row, column]
            if not np.isnan(one):
                now = now + weight[column] * (one - now)
            found[row, column] = now


def _sum_each(added, total, most, found):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for column in range(added.shape[1]):
        now = total[column]
        for row in range(added.shape[0]):
            one = added[row, column]
            if not np.isnan(one):
                now = min(max(now + one, 0.0), most[column])
            found[row, column] = now


def _page_hinkley_each(reading, count, total, slack, most, found, counts, mean):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for column in range(reading.shape[1]):
        now, seen, usual = total[column], count[column], mean[column]
        for row in range(reading.shape[0]):
            one = reading[row, column]
            if not np.isnan(one):
                seen = seen + 1.0
                usual = usual + (one - usual) / seen
                now = min(max(now + ((one - usual) - slack[column]), 0.0), most[column])
            found[row, column] = now
            counts[row, column] = seen
        mean[column] = usual


_smooth = njit(void(_MATRIX, _COLUMN, _COLUMN, _MATRIX), cache=True)(_smooth_each)
_sum = njit(void(_MATRIX, _COLUMN, _COLUMN, _MATRIX), cache=True)(_sum_each)
_page_hinkley = njit(
    void(_MATRIX, _COLUMN, _COLUMN, _COLUMN, _COLUMN, _MATRIX, _MATRIX, _COLUMN), cache=True
)(_page_hinkley_each)
