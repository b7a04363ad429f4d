"""The pictures of the page about times of failure, from simulated slopes.

PYTHONPATH=.:tests .venv/bin/python tests/forecast_pictures.py
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from slopes import failing, instants
from svg_chart import BLUE, GREEN, GREY, ORANGE, RED, Chart

from alarms.forecast.forecasting import forecast
from alarms.forecast.forecasts import Answers
from alarms.forecast.voight import velocity_at
from simulators.proving.bench_forecast import PROGRESS, ask_failing
from simulators.proving.stable_slopes import stable_slopes

PICTURES = Path(__file__).parents[1] / "docs" / "detectors" / "pictures"
FAILS_H, LASTS_H, VELOCITY, RESOLUTION = 20.0, 200.0, 0.4, 0.1
SHOWN_BINS = 400
CALIBRATION_SEED = 106  # Pictures are drawn from slopes that are never judged.

AT_H = np.arange(-500.0, 20.0)
MOVED = failing(AT_H, fails_h=FAILS_H, lasts_h=LASTS_H, velocity=VELOCITY, noise=0.5)


def as_of(hour: float) -> Answers:
    """What is answered about the slope of the pictures, at an hour."""
    end = int(np.searchsorted(AT_H, hour)) + 1
    some = slice(end - SHOWN_BINS, end)
    found = forecast(MOVED[np.newaxis, some], instants(AT_H[some]), resolution=RESOLUTION)
    return found.answers


def inverse_velocity() -> Chart:
    found = as_of(0.0)
    title = "Inverse velocity of a slope that fails (simulated, asked at hour 0)"
    top = 2.0
    chart = Chart(title, "hours", "1/v, hours per mm", (-150, 40), (0, top))
    ends = [found.earliest_h[0], found.latest_h[0]]
    chart.band(ends, [0, 0], [top, top], BLUE, "80 % interval")
    true_h = np.linspace(-150, FAILS_H - 0.1, 100)
    a = 1.0 / (VELOCITY * LASTS_H)
    chart.line(true_h, 1 / velocity_at(true_h, fails=FAILS_H, a=a, alpha=2.0), GREEN, "truth")
    line_h = np.array([found.rate_h[0, 0], found.by_line_h[0]])
    line = found.line_intercept[0] + found.line_slope[0] * line_h
    chart.line(line_h, line, GREY, "line through the rates", dash="5 4")
    chart.dots(found.rate_h[0], 1 / found.rate[0], ORANGE, "rates", r=3.5)
    chart.line([found.fails_h[0]] * 2, [0, top], BLUE, "forecast")
    chart.line([FAILS_H] * 2, [0, top], RED, "failure", dash="4 3")
    return chart


def moving_forecasts() -> Chart:
    asked_h = np.arange(-60.0, 18.0)
    given = [as_of(hour) for hour in asked_h]
    middle, low, high = (
        asked_h + np.array([getattr(one, name)[0] for one in given])
        for name in ("fails_h", "earliest_h", "latest_h")
    )
    some = np.isfinite(middle)
    title = "The same slope, asked every hour: when does it fail?"
    chart = Chart(title, "asked at hour", "failure at hour", (-60, 20), (-20, 60))
    chart.band(asked_h[some], low[some], high[some], BLUE, "80 % interval")
    chart.line(asked_h, middle, BLUE, "forecast")
    chart.line([-60, 20], [FAILS_H] * 2, RED, "failure", dash="4 3")
    chart.line([-20, 20], [-20, 20], GREY, "now", dash="2 3")
    return chart


def bursts_without_failure() -> Chart:
    slopes = stable_slopes(CALIBRATION_SEED, 40)[1]
    rain = [number for number, kind in enumerate(slopes.kind) if kind == "rain-driven"]
    moved = np.abs(slopes.value[rain] - slopes.value[rain][:, :1])
    shown = moved[np.nanargmax(moved[:, -1])]
    days = slopes.at_h / 24.0
    title = "A slope that creeps in bursts after rain and stands (simulated): no time is given"
    top = 1.05 * float(np.nanmax(shown))
    chart = Chart(title, "days of the watch", "displacement, mm", (-30, 90), (0, top))
    chart.line(days[::6], shown[::6], GREY, "crackmeter")
    given, tempted = [], []
    at_us = instants(slopes.at_h)
    for end in range(721, len(shown), 3):
        some = slice(max(0, end - 840), end)
        found = forecast(shown[np.newaxis, some], at_us[some], resolution=RESOLUTION)
        if found.given[0]:
            given.append(end - 1)
        elif found.verdict[0] >= 5:
            tempted.append(end - 1)
    chart.dots(days[tempted], shown[tempted], ORANGE, "accelerating, and no time", r=2.4)
    chart.dots(days[given], shown[given], RED, "a time was given" if given else "", r=4)
    return chart


def how_often_and_how_well() -> Chart:
    asked = [ask_failing(CALIBRATION_SEED, 1000, one) for one in PROGRESS]
    percent = 100 * np.array(PROGRESS)
    chart = Chart(
        "1,000 failing slopes of a calibration seed, by part of the way to failure",
        "percent of the way from the onset to the failure", "percent", (50, 95), (0, 100),
    )  # fmt: skip
    answered = [100 * one.answered.mean() for one in asked]
    holds = [(o.earliest_h <= o.fails_h) & (o.fails_h <= o.latest_h) for o in asked]
    covered = [100 * h[o.answered].mean() for h, o in zip(holds, asked, strict=True)]
    errors = [100 * np.nanmedian(np.abs(o.given_h / o.fails_h - 1.0)) for o in asked]
    chart.line([50, 95], [80, 80], GREY, "80 % asked for", dash="3 3")
    chart.line(percent, answered, BLUE, "given a time")
    chart.line(percent, covered, GREEN, "interval holds the truth")
    chart.line(percent, errors, ORANGE, "median error, of the time left")
    return chart


DRAWN: dict[str, Callable[[], Chart]] = {
    "time-of-failure": inverse_velocity,
    "time-of-failure-moving": moving_forecasts,
    "time-of-failure-bursts": bursts_without_failure,
    "time-of-failure-bench": how_often_and_how_well,
}


def draw() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, chart in DRAWN.items():
        (PICTURES / f"{name}.svg").write_text(chart().svg(), encoding="utf-8")


if __name__ == "__main__":
    draw()
