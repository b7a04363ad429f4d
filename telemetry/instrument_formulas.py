"""Formulas of instruments, computed for all of a group's channels of a kind together.

Each stage knows its columns and, per column, the numbers of a calibration sheet; `values`
takes the whole block, because a vibrating wire looks at its thermometer and its barometer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from telemetry.site import (
    Conversion,
    Linear,
    Polynomial,
    Thermistor,
    VibratingWireLinear,
    VibratingWirePolynomial,
)

ABSOLUTE_ZERO_C: Final = -273.15

Matrix = NDArray[np.float64]  # [scan, slot]
Columns = NDArray[np.intp]
Row = NDArray[np.float64]  # [column]


class Stage(Protocol):
    """One formula for some columns."""

    @property
    def columns(self) -> Columns:
        """The columns that it turns into values."""

    def values(self, numbers: Matrix) -> Matrix:
        """Compute the values of its columns; what cannot be computed is not finite."""


def stages_of(
    conversions: Sequence[tuple[int, Conversion]], slots: dict[str, int]
) -> Iterator[Stage]:
    """Gather conversions, each with its slot, by formula; companions are found in `slots`."""
    polynomials = [(n, one) for n, one in conversions if isinstance(one, Linear | Polynomial)]
    thermistors = [(n, one) for n, one in conversions if isinstance(one, Thermistor)]
    wires = [
        (n, one)
        for n, one in conversions
        if isinstance(one, VibratingWireLinear | VibratingWirePolynomial)
    ]
    if polynomials:
        yield _polynomial_stage(polynomials)
    if thermistors:
        yield _thermistor_stage(thermistors)
    if wires:
        yield _vibrating_wire_stage(wires, slots)


@dataclass(frozen=True, slots=True, eq=False)
class _PolynomialStage:
    """Linear and polynomial conversions of a group's channels together, by Horner's rule."""

    columns: Columns
    zero: Row
    coefficients: NDArray[np.float64]  # [power, column], filled up with zeros

    def values(self, numbers: Matrix) -> Matrix:
        return _horner(
            self.coefficients, np.ascontiguousarray(numbers[:, self.columns]) - self.zero
        )


@dataclass(frozen=True, slots=True, eq=False)
class _ThermistorStage:
    """Steinhart-Hart; a resistance that is not positive has no logarithm and fails."""

    columns: Columns
    a: Row
    b: Row
    c: Row
    trim_c: Row

    def values(self, numbers: Matrix) -> Matrix:
        # Contiguous, because NumPy may compute a strided logarithm along another path, whose
        # last bit differs; a value must not depend on how scans were cut into blocks.
        logarithm = np.log(np.ascontiguousarray(numbers[:, self.columns]))
        cubed = logarithm * logarithm * logarithm
        kelvin: Matrix = 1.0 / (self.a + self.b * logarithm + self.c * cubed)
        # A short circuit (0 Ω) would come out as absolute zero; below it there is nothing.
        return np.where(kelvin > 0.0, kelvin, np.nan) + ABSOLUTE_ZERO_C + self.trim_c


@dataclass(frozen=True, slots=True, eq=False)
class _VibratingWireStage:
    """Both vibrating-wire formulas: a polynomial of what was read, then the two corrections.

    A channel without a companion points at itself, with a factor of zero.
    """

    columns: Columns
    squared: NDArray[np.bool_]  # x is digits (f² / 1000), and a frequency was read
    rooted: NDArray[np.bool_]  # x is a frequency, and digits were read
    zero: Row
    coefficients: NDArray[np.float64]
    thermometer: Columns
    temperature_factor: Row
    temperature_zero: Row
    temperature_offset: Row
    barometer: Columns
    barometer_factor: Row
    barometer_zero: Row
    scale: Row
    offset: Row

    def values(self, numbers: Matrix) -> Matrix:
        read = np.ascontiguousarray(numbers[:, self.columns])
        read = np.where(read > 0.0, read, np.nan)  # A wire that does not swing tells nothing.
        x = np.where(self.squared, read * read / 1000.0, read)
        x = np.where(self.rooted, np.sqrt(read * 1000.0), x)
        pressure = _horner(self.coefficients, x - self.zero)
        warmer = numbers[:, self.thermometer] - self.temperature_zero
        pressure = pressure + (self.temperature_factor * warmer + self.temperature_offset)
        heavier = numbers[:, self.barometer] - self.barometer_zero
        pressure = pressure - self.barometer_factor * heavier
        return self.scale * pressure + self.offset


def _polynomial_stage(conversions: Sequence[tuple[int, Linear | Polynomial]]) -> Stage:
    return _PolynomialStage(
        columns=_columns(slot for slot, _ in conversions),
        zero=_row(one.zero if isinstance(one, Linear) else 0.0 for _, one in conversions),
        coefficients=_powers(
            [one.offset, one.gain] if isinstance(one, Linear) else one.coefficients
            for _, one in conversions
        ),
    )


def _thermistor_stage(conversions: Sequence[tuple[int, Thermistor]]) -> Stage:
    return _ThermistorStage(
        columns=_columns(slot for slot, _ in conversions),
        a=_row(one.a for _, one in conversions),
        b=_row(one.b for _, one in conversions),
        c=_row(one.c for _, one in conversions),
        trim_c=_row(one.trim_c for _, one in conversions),
    )


def _vibrating_wire_stage(
    conversions: Sequence[tuple[int, VibratingWireLinear | VibratingWirePolynomial]],
    slots: dict[str, int],
) -> Stage:
    wires = [one for _, one in conversions]
    wants = ["digits" if isinstance(one, VibratingWireLinear) else one.x for one in wires]
    read = [one.raw for one in wires]
    warm = [one.temperature for one in wires]
    heavy = [one.barometer for one in wires]
    own = [slot for slot, _ in conversions]
    return _VibratingWireStage(
        columns=_columns(own),
        squared=np.array([r != w == "digits" for r, w in zip(read, wants, strict=True)]),
        rooted=np.array([r != w == "frequency_hz" for r, w in zip(read, wants, strict=True)]),
        zero=_row(
            one.zero_digits if isinstance(one, VibratingWireLinear) else 0.0 for one in wires
        ),
        coefficients=_powers(
            [0.0, one.gain] if isinstance(one, VibratingWireLinear) else [one.c, one.b, one.a]
            for one in wires
        ),
        thermometer=_columns(
            slots[one.channel] if one else slot for one, slot in zip(warm, own, strict=True)
        ),
        temperature_factor=_row(one.factor if one else 0.0 for one in warm),
        temperature_zero=_row(one.zero_c if one else 0.0 for one in warm),
        temperature_offset=_row(one.offset if one else 0.0 for one in warm),
        barometer=_columns(
            slots[one.channel] if one else slot for one, slot in zip(heavy, own, strict=True)
        ),
        barometer_factor=_row(1.0 if one else 0.0 for one in heavy),
        barometer_zero=_row(one.zero if one else 0.0 for one in heavy),
        scale=_row(one.scale for one in wires),
        offset=_row(one.offset for one in wires),
    )


def _horner(coefficients: NDArray[np.float64], x: Matrix) -> Matrix:
    result = np.broadcast_to(coefficients[-1], x.shape).copy()
    for coefficient in coefficients[-2::-1]:
        result = result * x + coefficient
    return result


def _columns(numbers: Iterable[int]) -> Columns:
    return np.array(list(numbers), dtype=np.intp)


def _row(numbers: Iterable[float]) -> Row:
    return np.array(list(numbers), dtype=np.float64)


def _powers(coefficients: Iterable[Sequence[float]]) -> NDArray[np.float64]:
    """Stand polynomials side by side, one a column, filled up with zeros."""
    every = list(coefficients)
    table = np.zeros((max(map(len, every)), len(every)))
    for n, one in enumerate(every):
        table[: len(one), n] = one
    return table
