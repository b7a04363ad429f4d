"""Regression on drivers: how much of what a channel shows comes from water, season and age?

A model turns instants and drivers (pond level, rain, …) into columns; one least-squares fit per
channel says how much of each column it shows. A fit is kept with its version, its period of
validity and the ranges that it has seen, and judges later means: see `alarms.trends.residuals`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from alarms.trends.blocks import blocks
from alarms.trends.effects import AGE, entanglement
from alarms.trends.least_squares import Floats, least_squares, orthogonalised


class Model(Protocol):
    """How instants and drivers become the columns of a fit."""

    @property
    def effects(self) -> tuple[str, ...]:
        """For each column what it belongs to: CONSTANT, AGE, or a driver or season."""

    @property
    def span_min_us(self) -> int:
        """How long a record has to be."""

    def columns(self, at_us: NDArray[np.int64], drivers: Floats) -> Floats:
        """Return [bin, column]; NaN where a driver is missing."""


class FitVerdict(IntEnum):
    """Whether a channel could be fitted, and what may be read from its fit."""

    TOO_LITTLE_DATA = 0
    TOO_SHORT = 1  # The record does not span what the model is about.
    DEGENERATE = 2  # Columns can't be told apart: a level that never moved has no effect.
    ENTANGLED = 3  # Residuals hold, but effects move together: which one it was is not known.
    FITTED = 4


@dataclass(frozen=True, slots=True)
class FitParameters:
    """What a fit needs, and when effects count as moving together."""

    means_per_column_min: int = 5
    # Canonical correlation of one effect's columns with all others: at 0.95 the variance of the
    # split is ten times what it could be (the inflation factor of Marquardt 1970).
    entangled_from: float = 0.95


@dataclass(frozen=True, slots=True)
class Validity:
    """Which fit it is, and from when until when it may judge."""

    version: int
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True, eq=False)
class SeenRange:
    """What drivers did while a fit was made; what is outside is extrapolation."""

    low: Floats  # [channel, driver] NaN where a channel had no bin
    high: Floats  # [channel, driver]
    # A row of columns times this has its leverage as squared length: how unusual the combination
    # is, age apart. A full pond in spring may be new though pond and spring are not.
    leverage_root: Floats  # [column, column]
    leverage_max: float


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The fits of all channels; NaN where the verdict is below ENTANGLED."""

    model: Model
    validity: Validity
    coefficient: Floats  # [channel, column]
    error: Floats  # [channel, column] standard error, if residuals were independent
    sigma: Floats  # [channel] of residuals, in the channel's unit
    r_squared: Floats  # [channel] share of the variance that is explained
    entanglement: Floats  # [channel] how far one effect's columns follow from the others, 0 … 1
    count: NDArray[np.int64]  # [channel] means that were used
    seen: SeenRange
    verdict: NDArray[np.int8]  # [channel] a FitVerdict


def fit(
    model: Model,
    value: Floats,  # [channel, bin] NaN where a bin holds nothing
    at_us: NDArray[np.int64],  # [bin]
    drivers: Floats,  # [bin, driver] NaN where missing; such bins are left out
    validity: Validity,
    parameters: FitParameters = FitParameters(),
) -> Fit:
    """Fit all channels, and keep what is needed to judge by it, and to distrust it."""
    columns = model.columns(at_us, drivers)
    whole = np.isfinite(columns).all(axis=1)
    columns, at_us, drivers = columns[whole], at_us[whole], drivers[whole]
    value = np.where(np.isfinite(value), value, np.nan)[:, whole]
    found = [
        _fitted(model, value[rows], at_us, columns, drivers, parameters)
        for rows in blocks(len(value), max(len(columns), columns.shape[1] ** 2))
    ]
    each = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    low, high = each.pop("driver_low"), each.pop("driver_high")
    seen = SeenRange(low, high, *_leverage(model.effects, columns))
    return Fit(model=model, validity=validity, seen=seen, **each)


def _fitted(
    model: Model,
    value: Floats,
    at_us: NDArray[np.int64],
    columns: Floats,
    drivers: Floats,
    parameters: FitParameters,
) -> dict[str, NDArray[Any]]:  # by the names of Fit's arrays, and the ranges of drivers
    has = ~np.isnan(value)
    found = least_squares(columns, value)
    size = columns.shape[1]
    verdict = np.select(
        [
            found.count < max(parameters.means_per_column_min * size, size + 2),
            _span_us(has, at_us) < model.span_min_us,
            np.isnan(found.sigma),
        ],
        [FitVerdict.TOO_LITTLE_DATA, FitVerdict.TOO_SHORT, FitVerdict.DEGENERATE],
        FitVerdict.FITTED,
    )
    no_fit = verdict != FitVerdict.FITTED
    entangled = np.where(no_fit, np.nan, entanglement(model.effects, columns, has))
    verdict[entangled >= parameters.entangled_from] = FitVerdict.ENTANGLED
    low, high = _ranges(drivers, has)
    return {
        "coefficient": np.where(no_fit[:, np.newaxis], np.nan, found.coefficient),
        "error": np.where(no_fit[:, np.newaxis], np.nan, found.error),
        "sigma": np.where(no_fit, np.nan, found.sigma),
        "r_squared": np.where(no_fit, np.nan, found.r_squared),
        "entanglement": entangled,
        "count": found.count,
        "verdict": verdict.astype(np.int8),
        "driver_low": low,
        "driver_high": high,
    }


def _ranges(drivers: Floats, has: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the lowest and highest of each driver over each channel's bins, NaN without any."""
    low, high = np.full((2, len(has), drivers.shape[1]), np.nan)
    some = has.any(axis=1)
    for number, driver in enumerate(drivers.T):
        low[some, number] = np.min(np.where(has[some], driver, np.inf), axis=1, initial=np.inf)
        high[some, number] = np.max(np.where(has[some], driver, -np.inf), axis=1, initial=-np.inf)
    return low, high


def _leverage(names: tuple[str, ...], columns: Floats) -> tuple[Floats, float]:
    """Learn how unusual combinations of drivers were, over all bins: they are no channel's own."""
    repeatable = np.flatnonzero([name != AGE for name in names])
    root = np.zeros((len(names), len(names)))
    ground = orthogonalised(columns[:, repeatable])
    if ground is None:
        return root, np.inf
    root[np.ix_(repeatable, repeatable)] = ground[1]
    return root, float(np.max(np.sum(ground[0] ** 2, axis=1)))


def _span_us(has: NDArray[np.bool_], at_us: NDArray[np.int64]) -> Floats:  # [channel]
    since_us = (at_us - at_us[:1]).astype(np.float64)
    last = np.max(np.where(has, since_us, -np.inf), axis=1, initial=-np.inf)
    first = np.min(np.where(has, since_us, np.inf), axis=1, initial=np.inf)
    # A mean stands for its whole bin, so that three years of days are three years.
    width = float(np.min(np.diff(at_us))) if len(at_us) > 1 else 0.0
    return np.asarray(last - first + width)
