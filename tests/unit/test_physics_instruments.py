"""Instruments and registers: raw numbers by the calibration sheet, words by the byte order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.instruments import raw_of, resistance_ohm
from simulators.registers import raw_in, word_count, words_of
from telemetry.register import Register
from telemetry.site import Channel, Thermistor

GEOKON = {"kind": "thermistor", "a": 1.4051e-3, "b": 2.369e-4, "c": 1.019e-7}
PSI_KPA = 6.89475729


def channel(key: str, conversion: dict[str, object] | None) -> Channel:
    return Channel.model_validate(
        {
            "id": key,
            "quantity": "pressure",
            "unit": "kPa",
            "slot": 0,
            "instrument": "somewhere",
            "register": {"address": 0},
            "conversion": conversion,
        }
    )


def test_a_thermistor_has_its_nominal_resistance_at_25_degrees() -> None:
    thermistor = Thermistor.model_validate(GEOKON)

    assert resistance_ohm(thermistor, np.array([24.99])) == pytest.approx([3_000.0], abs=1.0)


def test_a_real_piezometers_wire_swings_as_it_did() -> None:
    """The first row of the United States Geological Survey's station: 2923 Hz, 5781 Ω."""
    wire = channel(
        "p",
        {
            "kind": "vibrating_wire_polynomial",
            "x": "frequency_hz",
            "a": -9.5792e-5,
            "b": -2.3260e-3,
            "c": 828.53,
            "temperature": {
                "channel": "t",
                "factor": -0.0380 * PSI_KPA,
                "zero_c": 20.2,
                "offset": -0.762 * PSI_KPA,
            },
            "barometer": {"channel": "air", "zero": 101.3},
        },
    )
    values = {"p": np.array([2.41321]), "t": np.array([10.9635]), "air": np.array([99.344])}
    thermometer = channel("t", {**GEOKON, "trim_c": 0.3})

    assert raw_of(wire, values) == pytest.approx([2923.0], abs=0.01)
    assert raw_of(thermometer, values) == pytest.approx([5781.0], abs=0.1)


@pytest.mark.parametrize(
    ("conversion", "value", "raw"),
    [
        (None, 7.5, 7.5),
        ({"kind": "linear", "gain": 0.2}, 5.0, 25.0),
        ({"kind": "linear", "gain": 2.0, "zero": 3.0, "offset": 1.0}, 9.0, 7.0),
        ({"kind": "polynomial", "coefficients": [1.0, 2.0]}, 7.0, 3.0),
        ({"kind": "polynomial", "coefficients": [1.0, 2.0, 3.0]}, 17.0, 2.0),
        # Geokon 4500: 418.8 kPa at 6749 digits, read as a frequency and as digits.
        (
            {"kind": "vibrating_wire_linear", "gain": -0.1795, "zero_digits": 9082.0},
            418.7735,
            (6749.0 * 1000.0) ** 0.5,
        ),
        (
            {
                "kind": "vibrating_wire_linear",
                "raw": "digits",
                "gain": -0.1795,
                "zero_digits": 9082.0,
            },
            418.7735,
            6749.0,
        ),
        (
            {
                "kind": "vibrating_wire_polynomial",
                "x": "digits",
                "a": 0.0,
                "b": -0.1,
                "c": 800.0,
                "scale": 2.0,
                "offset": 4.0,
            }
            | {"a": -1e-9},
            4.0,
            (7999.36 * 1000.0) ** 0.5,
        ),
    ],
)
def test_raw_numbers_follow_the_sheet(
    conversion: dict[str, object] | None, value: float, raw: float
) -> None:
    found = raw_of(channel("p", conversion), {"p": np.array([value])})

    assert found == pytest.approx([raw], rel=1e-6)


@pytest.mark.parametrize(
    ("byte_order", "on_the_wire"),
    [
        ("ABCD", "42 9b 07 7a"),
        ("CDAB", "07 7a 42 9b"),
        ("BADC", "9b 42 7a 07"),
        ("DCBA", "7a 07 9b 42"),
    ],
)
def test_a_float_takes_each_byte_order(byte_order: str, on_the_wire: str) -> None:
    register = Register.model_validate({"address": 0, "type": "float32", "byte_order": byte_order})

    words = words_of(register, np.array([77.5146]))

    assert words.astype(">u2").tobytes().hex(" ") == on_the_wire


def test_whole_numbers_saturate_and_what_is_missing_reads_as_nothing() -> None:
    register = Register(address=0, type="int16", scale=0.1)

    words = words_of(register, np.array([-1e9, np.nan, 1e9]))

    assert raw_in(register, words) == pytest.approx([-3276.8, 0.0, 3276.7])


@given(
    number=st.floats(-30_000.0, 30_000.0),
    type_=st.sampled_from(["int16", "int32", "float32", "float64"]),
    byte_order=st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
)
def test_what_is_written_is_what_a_client_reads(number: float, type_: str, byte_order: str) -> None:
    register = Register.model_validate(
        {"address": 7, "type": type_, "byte_order": byte_order, "scale": 0.5, "offset": 100.0}
    )
    raw = np.array([number / 2.0, 100.0])

    words = words_of(register, raw)

    assert words.shape == (2, word_count(register))
    assert raw_in(register, words) == pytest.approx(raw, abs=0.26)
