"""Raw numbers become engineering values: the numeric checks of the field, and what is bad."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from telemetry.conversion import GroupConverter, convert_group
from telemetry.formula import formula_of, parse
from telemetry.plan import GroupPlan, plan_of
from telemetry.quality import Quality
from telemetry.site import CalculatedChannel, Site
from telemetry.site_file import read_site_file

SITE_FILES = Path(__file__).parents[1] / "site_files"
NAME = {"en": "x", "zh": "x"}
THERMISTOR = {"kind": "thermistor", "a": 1.4051e-3, "b": 2.369e-4, "c": 1.019e-7}
GOOD, FAILED = Quality.GOOD, Quality.CONVERSION_FAILED


def group_of(*channels: dict[str, Any]) -> GroupPlan:
    """A group of channels, of which a test says only what it is about."""
    described = [
        {
            "id": f"c{n}",
            "instrument": "i",
            "quantity": "count",
            "unit": "count",
            "slot": n,
            "register": {"address": n},
            **channel,
        }
        for n, channel in enumerate(channels)
    ]
    group = {"id": "g", "period_s": 1.0, "bus": "b", "device_id": 1, "channels": described}
    station = {
        "id": "s",
        "name": NAME,
        "instruments": [{"id": "i", "type": "t"}],
        "scan_groups": [group],
    }
    site = Site.model_validate(
        {
            "site": "s",
            "name": NAME,
            "time_zone": "UTC",
            "began_at": "2020-01-01T00:00:00Z",
            "buses": [{"id": "b", "edge": "e", "modbus_tcp": {"host": "h"}}],
            "structures": [{"id": "d", "kind": "slope", "name": NAME, "stations": [station]}],
        }
    )
    return plan_of(site).groups[0]


def convert(plan: GroupPlan, raw: list[list[float]]) -> tuple[Any, list[list[int]]]:
    rows = np.array(raw)
    value, quality = convert_group(plan, rows, np.zeros(rows.shape, dtype=np.int16))
    return value, quality.tolist()


def converted(conversion: dict[str, Any], raw: float) -> float:
    value, quality = convert(group_of({"conversion": conversion}), [[raw]])
    assert quality == [[GOOD]]
    return float(value[0, 0])


def test_barometer() -> None:
    counts = {"kind": "linear", "gain": 0.240 * 0.1, "offset": 500 * 0.1}
    assert converted(counts, 2056) == pytest.approx(99.344)


def test_linear_counts_from_its_zero() -> None:
    conversion = {"kind": "linear", "gain": 2.0, "zero": 100.0, "offset": 1.0}
    assert converted(conversion, 110.0) == 21.0


def test_polynomial_has_its_lowest_power_first() -> None:
    assert converted({"kind": "polynomial", "coefficients": [1.0, 2.0, 3.0]}, 10.0) == 321.0
    assert converted({"kind": "polynomial", "coefficients": [0.0, 0.0, 0.0, 1.0]}, -2.0) == -8.0


def test_thermistor() -> None:
    assert converted(THERMISTOR, 3000.0) == pytest.approx(24.99, abs=0.005)
    assert converted({**THERMISTOR, "trim_c": 0.3}, 5781.0) == pytest.approx(10.9635, abs=5e-5)


def test_vibrating_wire_linear_from_digits_and_from_the_frequency() -> None:
    sheet = {"kind": "vibrating_wire_linear", "gain": -0.1795, "zero_digits": 9082.0}

    assert converted({**sheet, "raw": "digits"}, 6749.0) == pytest.approx(418.8, abs=0.05)
    frequency = float(np.sqrt(6749.0 * 1000.0))
    assert converted(sheet, frequency) == pytest.approx(418.8, abs=0.05)


def test_vibrating_wire_polynomial_takes_the_x_of_its_sheet() -> None:
    sheet = {"kind": "vibrating_wire_polynomial", "a": 1.0, "b": 10.0, "c": 100.0}

    in_hz = converted({**sheet, "x": "frequency_hz", "raw": "digits"}, 4.0)  # sqrt(4000) Hz
    assert in_hz == pytest.approx(4000.0 + 10.0 * np.sqrt(4000.0) + 100.0)
    in_digits = converted({**sheet, "x": "digits"}, 2000.0)  # 4000 digits
    assert in_digits == pytest.approx(16e6 + 40e3 + 100.0)
    as_read = converted({**sheet, "x": "digits", "raw": "digits"}, 4.0)
    assert as_read == pytest.approx(16.0 + 40.0 + 100.0)


def real_plan() -> Any:
    return plan_of(read_site_file(SITE_FILES / "real-piezometer.yaml"))


def test_real_piezometer_step_by_step_over_two_stations() -> None:
    plan = real_plan()
    at_mvd116, _ = convert(plan.group_by_key["piezometer"], [[2923.0, 5781.0]])
    at_neighbour, _ = convert(plan.group_by_key["barometer"], [[2056.0]])

    assert at_mvd116[0].tolist() == pytest.approx([0.45721, 10.9635], abs=5e-5)
    assert at_neighbour[0, 0] == pytest.approx(99.344)

    corrected = calculate(plan, "pressure-corrected", p=at_mvd116[:, 0], baro=at_neighbour[:, 0])
    assert corrected == pytest.approx([2.41321], abs=5e-6)
    assert calculate(plan, "level", p=corrected) == pytest.approx([0.34614], abs=5e-6)


def calculate(plan: Any, key: str, **columns: NDArray[np.float64]) -> NDArray[np.float64]:
    channel = plan.channel_by_key[key].channel
    assert isinstance(channel, CalculatedChannel)
    return formula_of(channel).evaluate(columns)


def test_real_piezometer_with_everything_in_one_group() -> None:
    value, quality = convert(real_plan().group_by_key["all-in-one"], [[2923.0, 5781.0, 2056.0]])

    assert value[0].tolist() == pytest.approx([0.34614, 10.9635, 99.344], abs=5e-5)
    assert quality == [[GOOD, GOOD, GOOD]]


def test_real_piezometer_without_its_corrections() -> None:
    sheet = {"kind": "vibrating_wire_polynomial", "x": "frequency_hz"}
    pressure = converted({**sheet, "a": -9.5792e-5, "b": -2.3260e-3, "c": 828.53}, 2923.0)
    assert pressure == pytest.approx(3.29106, abs=5e-6)


def test_v_notch_weir_is_a_formula() -> None:
    weir = parse(
        "8 / 15 * cd * sqrt(2 * g) * tan(radians(theta) / 2) * h ** 2.5",
        ["h"],
        {"cd": 0.58, "g": 9.81, "theta": 90.0},
    )
    assert weir.evaluate({"h": np.array([0.2])}) == pytest.approx([0.02451], abs=5e-6)


def test_phreatic_depth_is_a_formula() -> None:
    depth = parse("ground - (tip + 0.1019977334 * p)", ["p"], {"ground": 110.0, "tip": 95.0})
    assert depth.evaluate({"p": np.array([98.0])}) == pytest.approx([5.0042], abs=1e-4)


def test_a_companion_may_have_a_companion_and_stand_anywhere() -> None:
    wire = {"kind": "vibrating_wire_linear", "raw": "digits", "gain": 1.0, "zero_digits": 0.0}
    plan = group_of(
        {"conversion": {**wire, "barometer": {"channel": "c1", "zero": 100.0}}},
        {
            "conversion": {
                **wire,
                "temperature": {"channel": "c2", "factor": 2.0, "zero_c": 10.0, "offset": 0.5},
            }
        },
        {"conversion": {"kind": "linear", "gain": 0.1}},
    )
    value, _ = convert(plan, [[500.0, 90.0, 150.0]])

    # 15 °C; barometer 90 + 2 * (15 - 10) + 0.5 = 100.5; pressure 500 - (100.5 - 100).
    assert value[0].tolist() == pytest.approx([499.5, 100.5, 15.0])


def test_a_bad_companion_makes_the_conversion_fail_and_nothing_else() -> None:
    wire = {"kind": "vibrating_wire_linear", "raw": "digits", "gain": 1.0, "zero_digits": 0.0}
    correction = {"channel": "c1", "factor": 1.0, "zero_c": 0.0}
    plan = group_of(
        {"conversion": {**wire, "temperature": correction}},
        {"range": (-40.0, 60.0), "electrical_range": (-1000.0, 1000.0)},
        {},
    )
    value, quality = convert(plan, [[5.0, 20.0, 1.0], [5.0, 99.0, 1.0], [5.0, 2000.0, 1.0]])

    assert quality == [
        [GOOD, GOOD, GOOD],
        [FAILED, Quality.OUT_OF_RANGE, GOOD],
        [FAILED, Quality.ELECTRICAL, GOOD],
    ]
    assert np.isnan(value[1:, :2]).all()
    assert value[:, 2].tolist() == [1.0, 1.0, 1.0]


def test_electrical_range_judges_the_raw_number_and_range_the_value() -> None:
    plan = group_of(
        {
            "conversion": {"kind": "linear", "gain": 0.1},
            "electrical_range": (400.0, 2000.0),
            "range": (50.0, 150.0),
        }
    )
    _, quality = convert(plan, [[399.0], [400.0], [500.0], [1500.0], [1501.0], [2001.0]])

    reasons = [row[0] for row in quality]
    outside, electrical = Quality.OUT_OF_RANGE, Quality.ELECTRICAL
    assert reasons == [electrical, outside, GOOD, GOOD, outside, electrical]


def test_what_is_not_a_number_is_bad_and_keeps_an_earlier_reason() -> None:
    raw = np.array([[np.nan], [np.inf], [np.nan], [7.0], [7.0]])
    given = [Quality.GOOD, Quality.GOOD, Quality.NO_REPLY, Quality.NO_REPLY, Quality.IN_MAINTENANCE]
    before = np.array([given], dtype=np.int16).T
    value, quality = convert_group(group_of({}), raw, before)

    not_finite, no_reply = Quality.NOT_FINITE, Quality.NO_REPLY
    assert quality[:, 0].tolist() == [
        not_finite,
        not_finite,
        no_reply,
        no_reply,
        Quality.IN_MAINTENANCE,
    ]
    assert np.isnan(value[:4]).all()
    assert value[4, 0] == 7.0
    assert raw[3, 0] == 7.0
    assert before[:, 0].tolist() == given


def test_a_wire_that_does_not_swing_and_a_thermistor_without_resistance_fail() -> None:
    wire = {"kind": "vibrating_wire_linear", "gain": 1.0, "zero_digits": 0.0}
    plan = group_of({"conversion": wire}, {"conversion": THERMISTOR})
    value, quality = convert(plan, [[0.0, 0.0], [-5.0, -5.0]])

    assert quality == [[FAILED, FAILED], [FAILED, FAILED]]
    assert np.isnan(value).all()


def test_a_number_that_names_no_state_is_unknown() -> None:
    plan = group_of({"states": {0: {"name": NAME}, 1: {"name": NAME}}}, {})
    value, quality = convert(plan, [[0.0, 9.0], [1.0, 9.0], [2.0, 9.0], [0.5, 9.0]])

    unknown = Quality.UNKNOWN_STATE
    assert [row[0] for row in quality] == [GOOD, GOOD, unknown, unknown]
    assert [row[1] for row in quality] == [GOOD] * 4
    assert np.isnan(value[2:, 0]).all()


def test_slots_beyond_the_block_and_slots_of_nobody_have_no_value() -> None:
    plan = group_of({"slot": 1}, {"slot": 3})
    converter = GroupConverter(plan)
    raw = np.array([[5.0, 6.0]])
    value, quality = converter.convert(raw, np.zeros((1, 2), dtype=np.int16))

    nothing = Quality.NO_VALUE
    assert quality.tolist() == [[nothing, GOOD, nothing, nothing]]
    assert np.nan_to_num(value, nan=-1.0).tolist() == [[-1.0, 6.0, -1.0, -1.0]]
    assert converter.widen(raw).shape == (1, 4)


def test_a_block_that_is_wider_than_the_plan_keeps_its_width() -> None:
    value, quality = convert(group_of({}), [[1.0, 2.0, 3.0]])

    assert value[0, 0] == 1.0
    assert quality == [[GOOD, Quality.NO_VALUE, Quality.NO_VALUE]]


def test_calculated_values_are_checked_without_being_converted() -> None:
    plan = real_plan().group_by_key["levels"]
    values = np.array([[1.0], [np.inf], [np.nan]])
    before = np.array([[GOOD], [GOOD], [Quality.STALE_INPUT]], dtype=np.int16)
    value, quality = GroupConverter(plan).check(values, before)

    assert quality[:, 0].tolist() == [GOOD, FAILED, Quality.STALE_INPUT]
    assert np.isnan(value[1:, 0]).all()


def test_no_scans_are_no_values() -> None:
    value, quality = convert_group(group_of({}), np.empty((0, 1)), np.empty((0, 1), dtype=np.int16))
    assert value.shape == quality.shape == (0, 1)
