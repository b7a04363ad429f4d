"""Least squares: one set of columns, many channels, each with gaps of its own."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A direction of the columns that is smaller than this beside the largest is rounding, not data.
TELLABLE: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What each channel shows of each column; NaN where its bins can't tell the columns apart."""

    coefficient: Floats  # [channel, column]
    error: Floats  # [channel, column] standard error, if residuals were independent
    sigma: Floats  # [channel] of residuals, with n - columns degrees of freedom
    r_squared: Floats  # [channel] share of the variance that is explained, NaN where none is
    count: NDArray[np.int64]  # [channel] bins that were used


def least_squares(
    columns: Floats,  # [bin, column] none of them NaN; the first is constant
    value: Floats,  # [channel, bin] NaN where a bin holds nothing
) -> Solution:
    """Fit all channels by ordinary least squares, each over the bins that it has.

    Columns are made orthogonal once (QR, Golub 1965); each channel then solves a small system
    that is the identity but for its gaps, so that powers of a level do no harm to precision.
    """
    has = np.isfinite(value)
    count = np.count_nonzero(has, axis=1)
    size = columns.shape[1]
    ground = orthogonalised(columns)
    if ground is None:
        return _nothing(len(value), size, count)
    q, back = ground
    outer = (q[:, :, np.newaxis] * q[:, np.newaxis, :]).reshape(len(q), -1)
    gram = (has.astype(np.float64) @ outer).reshape(-1, size, size)
    weight = np.linalg.eigvalsh(gram)
    told = (count > size) & (weight[:, 0] > TELLABLE * weight[:, -1])
    gram[~told] = np.eye(size)
    known = np.where(has, value, 0.0)
    in_q = np.linalg.solve(gram, (known @ q)[:, :, np.newaxis])[:, :, 0]
    residual = np.where(has, known - in_q @ q.T, 0.0)
    left = np.sum(residual**2, axis=1)
    sigma = np.sqrt(left / np.maximum(count - size, 1))
    spread = np.sqrt(np.einsum("ij,njk,ik->ni", back, np.linalg.inv(gram), back))
    mean = np.sum(known, axis=1) / np.maximum(count, 1)
    total = np.sum(np.where(has, known - mean[:, np.newaxis], 0.0) ** 2, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r_squared = np.where(told & (total > 0), 1 - left / total, np.nan)
    missing = ~told[:, np.newaxis]
    return Solution(
        coefficient=np.where(missing, np.nan, in_q @ back.T),
        error=np.where(missing, np.nan, spread * sigma[:, np.newaxis]),
        sigma=np.where(told, sigma, np.nan),
        r_squared=r_squared,
        count=count,
    )


def orthogonalised(columns: Floats) -> tuple[Floats, Floats] | None:
    """Make columns orthonormal: (columns @ back, back); None where they can't be told apart."""
    scale = np.sqrt(np.mean(columns**2, axis=0)) if len(columns) else np.zeros(columns.shape[1])
    if len(columns) <= columns.shape[1] or not np.all(scale > 0):
        return None
    q, r = np.linalg.qr(columns / scale)
    singular = np.linalg.svd(r, compute_uv=False)
    if singular[-1] <= TELLABLE * singular[0]:
        return None
    return q, np.linalg.inv(r) / scale[:, np.newaxis]


def _nothing(channels: int, size: int, count: NDArray[np.int64]) -> Solution:
    missing = np.full((channels, size), np.nan)
    return Solution(missing, missing, missing[:, 0], missing[:, 0], count)
