"""Calculated channels: which values count at a tick, and how far the result can be trusted."""

import numpy as np
import pytest
from engine_sites import BEGAN_US, MINUTE_US, calculated, channel, plan, scans

import alarms.derivation
from alarms.derivation import Derivation, SourceMemory, calculation_order
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

CREST_AND_POND = {
    "crest": [channel("crest", 0)],
    "pond": [channel("barometer", 0), channel("pond", 2)],
}
FREEBOARD = calculated(
    "freeboard", 0, "crest - pond", inputs={"crest": "crest", "pond": "pond"}, range=(-5.0, 50.0)
)


def minutes(*instants: float) -> np.ndarray:
    return np.array([BEGAN_US + round(minute * MINUTE_US) for minute in instants])


def pond(at_us: np.ndarray, values: list[float], quality: int = 0) -> JudgedScans:
    rows = np.full((len(at_us), 3), np.nan)
    rows[:, 2] = values
    qualities = np.where(np.isnan(rows), Quality.NO_VALUE, quality)
    return scans(1, at_us, rows, quality=qualities)


def freeboard(
    crest: JudgedScans, level: JudgedScans, *ticks: float
) -> tuple[list[float], list[int]]:
    derivation = Derivation(plan(CREST_AND_POND, {"sums": [FREEBOARD]}))
    memory = derivation.empty_memory()
    derivation.remember(memory, [crest, level])
    result = derivation.calculate(memory, 2, minutes(*ticks))
    return result.value[:, 0].tolist(), result.quality[:, 0].tolist()


def test_each_input_counts_with_its_last_value_up_to_the_tick() -> None:
    crest = scans(0, minutes(0, 1, 2, 3), [105.0, 105.5, 106.0, 107.0])
    values, qualities = freeboard(crest, pond(minutes(0.5, 2.5), [100.0, 101.0]), 1, 2, 3)
    assert values == [5.5, 6.0, 6.0]
    assert qualities == [Quality.GOOD] * 3


def test_a_bad_value_is_passed_over_for_the_last_good_one() -> None:
    crest = scans(0, minutes(0, 1, 2), [105.0, np.nan, np.nan])
    values, _ = freeboard(crest, pond(minutes(2), [100.0]), 2)
    assert values == [5.0]


def test_an_input_may_be_as_old_as_the_channel_allows_and_no_older() -> None:
    crest = scans(0, minutes(0), [105.0])
    level = pond(minutes(0, 11), [100.0, 101.0])
    values, qualities = freeboard(crest, level, 10, 11)
    assert values[0] == 5.0
    assert np.isnan(values[1])
    assert qualities == [Quality.GOOD, Quality.STALE_INPUT]


def test_without_any_value_the_result_is_stale() -> None:
    values, qualities = freeboard(scans(0, minutes(), []), pond(minutes(1), [100.0]), 1)
    assert np.isnan(values).all()
    assert qualities == [Quality.STALE_INPUT]


def test_a_result_out_of_range_is_bad() -> None:
    values, qualities = freeboard(scans(0, minutes(0), [999.0]), pond(minutes(0), [100.0]), 1)
    assert np.isnan(values).all()
    assert qualities == [Quality.OUT_OF_RANGE]


def test_doubt_about_an_input_is_doubt_about_the_result() -> None:
    level = pond(minutes(0), [100.0], quality=Quality.CLOCK_SUSPECT)
    values, qualities = freeboard(scans(0, minutes(0), [105.0]), level, 1)
    assert values == [5.0]
    assert qualities == [Quality.CLOCK_SUSPECT]


def test_a_result_that_is_no_number_is_a_failed_conversion() -> None:
    derivation = Derivation(
        plan({"a": [channel("a", 0)]}, {"c": [calculated("c", 0, "1 / a", inputs={"a": "a"})]})
    )
    memory = derivation.empty_memory()
    derivation.remember(memory, [scans(0, minutes(0), [0.0])])
    result = derivation.calculate(memory, 1, minutes(0))
    assert np.isnan(result.value).all()
    assert result.quality.tolist() == [[Quality.CONVERSION_FAILED]]


def test_an_input_that_the_formula_does_not_look_at_may_be_missing() -> None:
    derivation = Derivation(
        plan(
            {"a": [channel("a", 0)], "b": [channel("b", 0)]},
            {"c": [calculated("c", 0, "a if a > 0 else b", inputs={"a": "a", "b": "b"})]},
        )
    )
    memory = derivation.empty_memory()
    derivation.remember(memory, [scans(0, minutes(0, 1), [7.0, -7.0])])
    result = derivation.calculate(memory, 2, minutes(0, 1))
    assert result.value[0, 0] == 7.0
    assert result.quality[:, 0].tolist() == [Quality.GOOD, Quality.STALE_INPUT]


def test_slots_without_a_channel_have_no_value() -> None:
    spaced = [calculated("c", 2, "a", inputs={"a": "a"})]
    derivation = Derivation(plan({"a": [channel("a", 0)]}, {"c": spaced}))
    memory = derivation.empty_memory()
    derivation.remember(memory, [scans(0, minutes(0), [7.0])])
    result = derivation.calculate(memory, 1, minutes(0))
    assert result.quality[0].tolist() == [Quality.NO_VALUE, Quality.NO_VALUE, Quality.GOOD]


def test_what_all_dependents_have_passed_is_forgotten_but_for_the_last_good_value() -> None:
    derivation = Derivation(plan(CREST_AND_POND, {"sums": [FREEBOARD]}))
    memory = derivation.empty_memory()
    derivation.remember(memory, [scans(0, minutes(0, 1, 2, 3), [105.0, 106.0, np.nan, 108.0])])
    derivation.remember(memory, [pond(minutes(0), [100.0])])
    last_tick_us = np.array([0, 0, minutes(2)[0]])
    derivation.forget(memory, last_tick_us)
    assert memory[0].at_us.tolist() == minutes(3).tolist()
    assert memory[0].held_us.tolist() == minutes(1).tolist()
    assert memory[0].horizon_us == minutes(2)[0]
    result = derivation.calculate(memory, 2, minutes(2.5, 3))
    assert result.value[:, 0].tolist() == [6.0, 8.0]


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms.derivation, "REMEMBERED_SCANS_MAX", 3)
    memory = SourceMemory.empty(1)
    for minute in range(10):
        memory = memory.with_scans(
            minutes(minute), np.array([[float(minute)]]), np.zeros((1, 1), dtype=np.int16)
        )
    assert memory.at_us.tolist() == minutes(7, 8, 9).tolist()
    assert memory.held_value.tolist() == [6.0]
    assert memory.horizon_us == minutes(6)[0]


def test_groups_come_after_those_they_are_computed_from() -> None:
    sources = {5: frozenset({1, 7}), 6: frozenset({5}), 7: frozenset({2})}
    assert calculation_order(sources) == (7, 5, 6)
    with pytest.raises(AssertionError, match="circle"):
        calculation_order({5: frozenset({6}), 6: frozenset({5})})
