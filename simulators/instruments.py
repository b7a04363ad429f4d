"""Instruments: from what is true to the raw number a logger reads, by the calibration sheet.

This is the other way round of `telemetry.conversion`, and written on its own: a wire's
frequency from the pressure on it, a thermistor's resistance from its temperature.
"""

import numpy as np

from simulators.physics.chance import Floats
from telemetry.site import (
    Channel,
    Conversion,
    Linear,
    Polynomial,
    Thermistor,
    VibratingWire,
    VibratingWireLinear,
    VibratingWirePolynomial,
)

ZERO_C_IN_K = 273.15


class NotInvertibleError(Exception):
    """No raw number can be found for a channel's conversion; the message says which."""


def raw_of(channel: Channel, values: dict[str, Floats]) -> Floats:
    """Turn a channel's values into raw numbers; values hold the whole group's, by channel id."""
    value = values[channel.id]
    conversion = channel.conversion
    if conversion is None:
        return value
    if isinstance(conversion, Linear):
        return (value - conversion.offset) / conversion.gain + conversion.zero
    if isinstance(conversion, Thermistor):
        return resistance_ohm(conversion, value)
    if isinstance(conversion, VibratingWireLinear | VibratingWirePolynomial):
        return _wire_reading(conversion, _bare(conversion, value, values))
    return _by_quadratic(channel.id, conversion, value)


def resistance_ohm(thermistor: Thermistor, temperature_c: Floats) -> Floats:
    """Resistance of a thermistor: Cardano's solution of a + b x + c x³ = 1/T for x = ln R."""
    kelvin = temperature_c - thermistor.trim_c + ZERO_C_IN_K
    p = thermistor.b / thermistor.c
    q = (1.0 / kelvin - thermistor.a) / thermistor.c
    root = np.sqrt(q * q / 4.0 + p**3 / 27.0)
    resistance: Floats = np.exp(np.cbrt(q / 2.0 + root) + np.cbrt(q / 2.0 - root))
    return resistance


def _bare(wire: VibratingWire, value: Floats, values: dict[str, Floats]) -> Floats:
    """Undo scale and corrections: what the wire itself feels, temperature and air included."""
    pressure = (value - wire.offset) / wire.scale
    if wire.barometer is not None:
        pressure = pressure + (values[wire.barometer.channel] - wire.barometer.zero)
    if wire.temperature is not None:
        by = wire.temperature
        pressure = pressure - (by.factor * (values[by.channel] - by.zero_c) + by.offset)
    return pressure


def _wire_reading(wire: VibratingWireLinear | VibratingWirePolynomial, bare: Floats) -> Floats:
    """Give the frequency or the digits at which a wire swings under a pressure."""
    if isinstance(wire, VibratingWireLinear):
        digits = bare / wire.gain + wire.zero_digits
        return np.sqrt(digits * 1_000.0) if wire.raw == "frequency_hz" else digits
    x = _positive_root(wire.a, wire.b, wire.c - bare)
    if wire.x == wire.raw:
        return x
    return np.sqrt(x * 1_000.0) if wire.raw == "frequency_hz" else x * x / 1_000.0


def _by_quadratic(channel: str, conversion: Conversion, value: Floats) -> Floats:
    assert isinstance(conversion, Polynomial)
    if not 2 <= len(conversion.coefficients) <= 3:
        raise NotInvertibleError(f"The polynomial of channel {channel!r} has no simple inverse.")
    c, b, a = [*conversion.coefficients, 0.0][:3]
    return (value - c) / b if a == 0.0 else _positive_root(a, b, c - value)


def _positive_root(a: float, b: float, c: Floats) -> Floats:
    """Solve a x² + b x + c = 0 for the larger x: wires swing at thousands of hertz, not below 0."""
    root: Floats = np.sqrt(b * b - 4.0 * a * c)
    return np.maximum((-b + root) / (2.0 * a), (-b - root) / (2.0 * a))
