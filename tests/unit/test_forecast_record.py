"""What is kept of a forecast says the same as the forecast, and is enough to make it again."""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from ground import HOUR_US, START_US
from told_forecasts import AT_H, CREEPING, FAILING, STILL, told

from alarms.forecast.forecasting import forecast
from alarms.forecast.forecasts import Answers
from alarms.forecast.record import (
    BINS_KEPT_MAX,
    ForecastInputs,
    ForecastRow,
    forecast_again,
    instants_of,
    rows_of,
    said_by,
)
from alarms.forecast.settings import ForecastSettings
from alarms.forecast.verdict import Verdict
from alarms.forecast.words import out_of_date, reason


def through_json(row: ForecastRow) -> ForecastRow:
    """As the database gives it back."""
    return replace(
        row,
        answers=json.loads(json.dumps(row.answers, allow_nan=False)),
        inputs=ForecastInputs(**json.loads(json.dumps(asdict(row.inputs), allow_nan=False))),
    )


def test_a_row_says_what_the_forecast_said() -> None:
    gappy = FAILING.copy()
    gappy[100:110] = np.nan
    value = np.stack([gappy, CREEPING])
    at_us = START_US + np.rint(AT_H * HOUR_US).astype(np.int64)
    found = forecast(value, at_us, resolution=0.01)
    rows = rows_of(found, ["crack", "creep"], value, at_us, resolution=0.01, configuration=7)

    assert [row.verdict for row in rows] == [Verdict.FORECAST, Verdict.NOT_ACCELERATING]
    assert rows[0].fails_us == START_US + round(found.answers.fails_h[0] * HOUR_US)
    assert (rows[1].fails_us, rows[1].earliest_us, rows[1].latest_us) == (None, None, None)
    for number, row in enumerate(rows):
        kept = said_by(through_json(row))
        for one in fields(Answers):
            told_before = getattr(found.answers, one.name)[number]
            finite = np.where(np.isfinite(told_before), told_before, np.nan)
            np.testing.assert_array_equal(getattr(kept.answers, one.name)[0], finite)
        for language in ("en", "zh"):
            assert reason(kept, 0, language) == reason(found, number, language)
    assert rows[0].inputs.configuration == 7
    assert rows[0].inputs.bin_us == HOUR_US


def test_a_forecast_is_made_again_from_its_inputs() -> None:
    settings = ForecastSettings(level=0.9, evidence_min=4.0)
    at_us = START_US + np.rint(AT_H * HOUR_US).astype(np.int64)
    value = FAILING[np.newaxis]
    found = forecast(value, at_us, resolution=0.6, settings=settings)
    [row] = rows_of(
        found, ["crack"], value, at_us, resolution=0.6, settings=settings, configuration=1
    )
    again = forecast_again(through_json(row))

    assert again.asked_us == found.asked_us
    assert again.level == 0.9
    for one in fields(Answers):
        np.testing.assert_allclose(
            getattr(again.answers, one.name), getattr(found.answers, one.name), rtol=1e-9
        )
    assert instants_of(row).tolist() == at_us.tolist()
    # Other settings say something else: they are part of what must be kept.
    assert forecast_again(replace(row, inputs=told({"crack": FAILING})[0].inputs)).level == 0.8


def test_a_long_record_is_kept_as_far_as_a_fit_reaches() -> None:
    long = np.concatenate([np.full(2000, FAILING[0]), FAILING])
    at_us = START_US + HOUR_US * np.arange(1 - len(long), 1)
    found = forecast(long[np.newaxis], at_us)
    [row] = rows_of(found, ["crack"], long[np.newaxis], at_us, configuration=1)

    assert (len(row.value), row.inputs.bins) == (BINS_KEPT_MAX, len(long))
    longest = max(ForecastSettings().bins_per_block) * ForecastSettings().blocks
    assert longest <= BINS_KEPT_MAX
    again = forecast_again(row)
    assert again.answers.fails_h[0] == pytest.approx(found.answers.fails_h[0], rel=1e-6)
    assert row.inputs.resolution is None


def test_what_is_empty_before_the_record_is_not_kept() -> None:
    late = np.concatenate([np.full(140, np.nan), FAILING[140:]])
    at_us = START_US + np.rint(AT_H * HOUR_US).astype(np.int64)
    found = forecast(late[np.newaxis], at_us)
    [row] = rows_of(found, ["crack"], late[np.newaxis], at_us, configuration=1)

    assert (len(row.value), row.inputs.bins) == (360, 500)
    again = forecast_again(row)
    assert again.answers.fails_h[0] == pytest.approx(found.answers.fails_h[0], rel=1e-9)


def test_of_a_quiet_channel_no_bins_are_kept() -> None:
    [row] = told({"still": STILL})
    assert (row.verdict, row.value) == (Verdict.NOT_MOVING, ())
    with pytest.raises(ValueError, match="not_moving"):
        forecast_again(row)


def test_no_bin_no_row() -> None:
    nothing = np.empty((1, 0))
    at_us = np.empty(0, np.int64)
    assert rows_of(forecast(nothing, at_us), ["a"], nothing, at_us, configuration=1) == []


def test_a_sentence_counts_from_when_it_is_read() -> None:
    [row] = told({"crack": FAILING})
    said = said_by(row)
    fails_h, latest_h = float(said.answers.fails_h[0]), float(said.answers.latest_h[0])

    assert reason(said, 0, later_h=fails_h - 2.0).startswith("Failure expected in 2 hours, between")
    assert "between 0 hours" in reason(said, 0, later_h=fails_h - 0.01)
    passed = reason(said, 0, later_h=fails_h + 0.5 * (latest_h - fails_h))
    assert passed.startswith("Failure was expected ")
    assert "ends in" in passed
    assert "is over too" in reason(said, 0, later_h=latest_h + 1.0)
    assert "也已结束" in reason(said, 0, "zh", later_h=latest_h + 1.0)
    assert out_of_date("X.", 5.0) == (
        "Out of date: nothing new has come for 5 hours. It was said: X."
    )


def test_every_verdict_is_quiet_or_loud() -> None:
    assert [one for one in Verdict if one.accelerates] == [
        Verdict.NO_LAW,
        Verdict.BELOW_NOISE,
        Verdict.POOR_LINE,
        Verdict.SEEN_BEFORE,
        Verdict.RECEDING,
        Verdict.TOO_EARLY,
        Verdict.FORECAST,
    ]
