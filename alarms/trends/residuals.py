"""Residuals: does a channel still do what its fit expects?

Two answers are kept apart: how far a mean is from what was expected, and whether the fit may be
asked at all. A pond at its highest level ever is outside what was fitted, and exactly then the
residual must not be hidden; so it is shown, and marked as extrapolated.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from alarms.trends.least_squares import Floats
from alarms.trends.regression import Fit


class ResidualVerdict(IntEnum):
    """How far a mean is from what its fit expects."""

    NO_FIT = 0
    MISSING = 1  # The mean, or a driver of it.
    WITHIN = 2
    BEYOND_95 = 3  # Beyond 2 σ: five of a hundred are, if nothing has changed.
    BEYOND_99 = 4  # Beyond 3 σ


@dataclass(frozen=True, slots=True)
class ResidualParameters:
    """How many σ are unusual, and very unusual: `domain.md` C.2."""

    unusual: float = 2.0
    very_unusual: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """What is left of means when what was expected is taken off; NaN where that is not known."""

    expected: Floats  # [channel, bin] in the channel's unit
    residual: Floats  # [channel, bin] mean less expected
    in_sigma: Floats  # [channel, bin] residual / σ
    verdict: NDArray[np.int8]  # [channel, bin] a ResidualVerdict
    extrapolated: NDArray[np.bool_]  # [channel, bin] outside what the fit has seen of drivers
    expired: NDArray[np.bool_]  # [bin] outside the fit's period of validity


def residuals(
    fitted: Fit,
    value: Floats,  # [channel, bin] NaN where a bin holds nothing
    at_us: NDArray[np.int64],  # [bin]
    drivers: Floats,  # [bin, driver] NaN where missing
    parameters: ResidualParameters = ResidualParameters(),
) -> Residuals:
    """Compare means with what their fits expect.

    σ is that of the fitted bins. It holds no error of the coefficients, which is small inside the
    fitted range and grows fast outside: where `extrapolated`, limits are too narrow.
    """
    columns = fitted.model.columns(at_us, drivers)
    columns = np.where(np.isfinite(columns), columns, np.nan)
    expected = fitted.coefficient @ columns.T
    residual = np.where(np.isfinite(value), value, np.nan) - expected
    # A fit that explains all to the last bit allows rounding, and nothing else.
    rounding = 64 * np.finfo(np.float64).eps * np.maximum(np.abs(value), np.abs(expected))
    residual = np.where(np.abs(residual) <= rounding, 0.0, residual)
    with np.errstate(divide="ignore", invalid="ignore"):
        in_sigma = np.where(residual == 0.0, 0.0, residual / fitted.sigma[:, np.newaxis])
    return Residuals(
        expected=expected,
        residual=residual,
        in_sigma=in_sigma,
        verdict=_verdict(in_sigma, np.isnan(fitted.sigma), parameters),
        extrapolated=_extrapolated(fitted, columns, drivers),
        expired=(at_us < fitted.validity.from_us) | (at_us >= fitted.validity.until_us),
    )


def _verdict(
    in_sigma: Floats, no_fit: NDArray[np.bool_], parameters: ResidualParameters
) -> NDArray[np.int8]:
    away = np.abs(in_sigma)
    verdict = np.select(
        [
            np.broadcast_to(no_fit[:, np.newaxis], away.shape),
            np.isnan(away),
            away > parameters.very_unusual,
            away > parameters.unusual,
        ],
        [
            ResidualVerdict.NO_FIT,
            ResidualVerdict.MISSING,
            ResidualVerdict.BEYOND_99,
            ResidualVerdict.BEYOND_95,
        ],
        ResidualVerdict.WITHIN,
    )
    return verdict.astype(np.int8)


def _extrapolated(fitted: Fit, columns: Floats, drivers: Floats) -> NDArray[np.bool_]:
    """Tell where a driver leaves its range, or a combination of them is more unusual than any."""
    seen = fitted.seen
    below = (drivers < seen.low[:, np.newaxis, :]).any(axis=2)
    above = (drivers > seen.high[:, np.newaxis, :]).any(axis=2)
    leverage = np.sum((columns @ seen.leverage_root) ** 2, axis=1)
    unusual = leverage > seen.leverage_max * (1 + 1e-9)
    return np.asarray(below | above | unusual)
