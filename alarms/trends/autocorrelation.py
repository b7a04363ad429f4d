"""Autocorrelation: how much does a channel resemble itself some bins ago?"""

import numpy as np
from numpy.typing import NDArray


def autocorrelation(
    value: NDArray[np.float64],  # [channel, bin] NaN where a bin holds nothing
) -> NDArray[np.float64]:  # [channel, lag] lag 0 first; NaN where nothing varies
    """Return the autocorrelation of each row at all lags.

    Σ (x_t - x̄)(x_{t+k} - x̄) / Σ (x_t - x̄)² (Box & Jenkins 1970), which is drawn to 0 at long
    lags. Across gaps, lags are still of time: the pairs that are there stand for those that are
    not. A lag without any pair has 0.

    >>> autocorrelation(np.array([[1.0, 2, 3, 4, 5]])).round(2).tolist()
    [[1.0, 0.4, -0.1, -0.4, -0.4]]
    """
    rows, bins = value.shape
    has = np.isfinite(value)
    n = np.count_nonzero(has, axis=1)[:, np.newaxis]
    mean = np.sum(np.where(has, value, 0.0), axis=1, keepdims=True) / np.maximum(n, 1)
    centred = np.where(has, value - mean, 0.0)
    products = _correlated_with_itself(centred)
    pairs = np.round(_correlated_with_itself(has.astype(np.float64)))
    expected = np.maximum(n - np.arange(bins), 0)
    scale = np.divide(expected, pairs, out=np.zeros((rows, bins)), where=pairs > 0)
    # A constant row leaves dust after centring; it varies only if it varies beyond rounding.
    largest = np.max(np.abs(np.where(has, value, 0.0)), axis=1, initial=0.0)[:, np.newaxis]
    varies = products[:, :1] > n * (largest * 4 * np.finfo(np.float64).eps) ** 2
    found = np.full((rows, bins), np.nan)
    np.divide(products * scale, products[:, :1], out=found, where=varies)
    return found


def lag_one(value: NDArray[np.float64]) -> NDArray[np.float64]:  # [channel]
    """Return the autocorrelation of each row at lag 1, as `autocorrelation`; 0 where none is.

    By plain sums: a transform may differ in its last bits with the number of rows.

    >>> lag_one(np.array([[1.0, 2, 3, 4, 5], [7.0, 7, 7, 7, 7]])).round(2).tolist()
    [0.4, 0.0]
    """
    has = np.isfinite(value)
    n = np.count_nonzero(has, axis=1)
    mean = np.sum(np.where(has, value, 0.0), axis=1) / np.maximum(n, 1)
    centred = np.where(has, value - mean[:, np.newaxis], 0.0)
    pairs = np.count_nonzero(has[:, 1:] & has[:, :-1], axis=1)
    product = np.sum(centred[:, 1:] * centred[:, :-1], axis=1)
    total = np.sum(centred**2, axis=1)
    found = np.zeros(len(value))
    np.divide(product * (n - 1), total * pairs, out=found, where=(total > 0) & (pairs > 0))
    return found


def ranks(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each number in its row, 1 first, equal ones sharing their mean rank.

    >>> ranks(np.array([[3.0, 1.0, np.nan, 3.0]])).tolist()
    [[2.5, 1.0, nan, 2.5]]
    """
    rows, bins = value.shape
    if not value.size:
        return np.zeros((rows, bins))
    order = np.argsort(value, axis=1)  # NaN goes to the end.
    ascending = np.take_along_axis(value, order, axis=1)
    begins = np.ones((rows, bins), dtype=np.bool_)
    begins[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    first = np.flatnonzero(begins)
    length = np.diff(first, append=begins.size)
    shared = np.repeat(first % bins + (length + 1) / 2, length).reshape(rows, bins)
    found = np.empty((rows, bins))
    np.put_along_axis(found, order, shared, axis=1)
    return np.where(np.isnan(value), np.nan, found)


def _correlated_with_itself(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum products at all lags, by the Fourier transform: n log n instead of n²."""
    bins = value.shape[1]
    if not value.size:
        return np.zeros(value.shape)
    spectrum = np.fft.rfft(value, n=2 * bins, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.fft.irfft(power, n=2 * bins, axis=1)[:, :bins]
