"""The pictures of the pages about events, rain, charts and screens.

    PYTHONPATH=.:tests .venv/bin/python tests/method_pictures.py

From simulated series and, for rain, a real one: without the folder that `tests/real_data.py` names
its picture stays as it is. Every picture is drawn by the methods themselves.
"""

import csv
from collections.abc import Callable

import numpy as np
from engine_sites import BEGAN_US, MINUTE_US, Watch, channel, plan, scans
from numpy.typing import NDArray
from real_data import FOLDER
from svg_chart import BLUE, GREEN, GREY, ORANGE, RED, Chart
from trend_pictures import PICTURES

from alarms.detectors.cusum import cusum
from alarms.detectors.ewma import Weights, ewma
from alarms.rain.antecedent import antecedent_precipitation
from alarms.seismic.catalogue import Catalogue
from alarms.seismic.judging import begin_watch, judge_events, take_events
from simulators.event_site import event_source
from simulators.physics.rock import Rockburst, Seismicity
from simulators.physics.rock_events import events_of
from telemetry.quality import Quality
from telemetry.site import EventSource


def rates_before_a_burst() -> Chart:
    """The simulated rockburst, judged every minute by the simulated network's own detectors."""
    burst = Rockburst(begins_s=180.0, bursts_s=2100.0, stress_rise_mpa=20.0)
    found = events_of(Seismicity(seed=1, burst=burst), np.arange(-2 * 24 * 60, 60))
    events = Catalogue(
        found.number,
        np.round(found.at_s * 1e6).astype(np.int64),
        found.magnitude,
        found.energy_j,
        found.moment_nm,
    )
    source = EventSource.model_validate(event_source("t", "at_ms", "bus"))
    watch, before_us = begin_watch(int(events.at_us[0])), int(events.at_us[0])
    minutes = np.arange(0, 60)
    statistic: dict[str, list[float]] = {}
    for minute in minutes.tolist():
        at_us = minute * 60_000_000
        watch = take_events(watch, events.between(before_us, at_us), source, at_us)
        watch, judgements = judge_events(watch, source, at_us)
        before_us = at_us
        for one in judgements:
            statistic.setdefault(one.rule, []).append(one.statistic)
    chart = Chart(
        "Before and after a rockburst (simulated): rates of 15 minutes against a day",
        "minutes", "standard deviations; magnitude", (0, 59), (-2, 20),
    )  # fmt: skip
    chart.dots(found.at_s / 60, found.magnitude, GREY, "events by magnitude", r=1.4)
    chart.line(minutes, statistic["event_rate_0.25"], BLUE, "rate of events")
    chart.line(minutes, statistic["energy_rate_0.25"], GREEN, "rate of energy")
    chart.line([0, 59], [8, 8], ORANGE, "orange for the rate of events", dash="4 3")
    chart.line([35, 35], [-2, 20], RED, "burst")
    return chart


def rain_of_a_year() -> Chart:
    """Rain at a real mine, and how wet it leaves the ground."""
    with (FOLDER / "tailings_pond_2020_rain_daily.csv").open(encoding="utf-8-sig") as file:
        rain = np.array([float(row["total_rain_mm"] or "nan") for row in csv.DictReader(file)])
    day = np.arange(len(rain), dtype=np.float64)
    chart = Chart(
        "A year of rain at a real mine, and how wet it leaves the ground", "days of 2020", "mm",
        (90, 330), (0, 40),
    )  # fmt: skip
    for one, fallen in zip(day, rain, strict=True):
        if fallen > 0 and 90 <= one <= 330:
            chart.line([one, one], [0, fallen], GREY)
    chart.line([90, 90], [0, 0], GREY, "rain of a day")
    for kept, colour, name in ((0.84, GREEN, "index, K = 0.84"), (0.9, BLUE, "index, K = 0.9")):
        index = antecedent_precipitation(rain[np.newaxis], kept=kept)[0]
        chart.line(day[90:330], index[90:330], colour, name)
    return chart


def shift_under_the_limit() -> Chart:
    """A shift of one standard deviation, which no limit of three sees."""
    chance = np.random.default_rng(11)
    reading = np.arange(300)
    deviation = chance.normal(0, 1, 300) + np.where(reading >= 150, 1.0, 0.0)
    total, smoothed, fading = np.zeros(1), np.zeros(1), np.ones(1)
    weights = Weights.of(np.array([0.25]))
    sums, means = [], []
    for one in deviation:
        total = cusum(np.array([one]), total=total, slack=np.array([0.5]), most=np.array([16.0]))
        off, smoothed, fading = ewma(
            np.array([one]), smoothed=smoothed, fading=fading, weights=weights
        )
        sums.append(float(total[0]))
        means.append(float(off[0]))
    chart = Chart("A shift of one σ at reading 150 (simulated)", "reading", "σ", (0, 299), (-4, 16))
    chart.dots(reading, deviation, GREY, "readings", r=1.5)
    chart.line(reading, sums, BLUE, "CUSUM, slack 0.5")
    chart.line(reading, means, GREEN, "EWMA, weight 0.25")
    chart.line([0, 299], [8, 8], ORANGE, "level of the CUSUM", dash="4 3")
    chart.line([0, 299], [3, 3], RED, "a limit at 3 σ", dash="2 3")
    return chart


def screened_crack() -> Chart:
    """A crack with two spikes that come back and a leap that stays, through the screens."""
    chance = np.random.default_rng(12)
    minute = np.arange(120)
    value = 20 + 0.004 * minute + chance.normal(0, 0.05, 120)
    value[[25, 70, 71]] += [4.0, -3.0, -3.2]
    value[95:] += 2.5
    screens = {"spike": {"most_per_hour": 30.0, "believed_after": 3}}
    watch = Watch(plan({"a": [channel("a0", 0, screen=screens, resolution=0.05)]}))
    rows = scans(0, BEGAN_US + minute * MINUTE_US, value[:, np.newaxis])
    quality: NDArray[np.int16] = watch.flush(rows).screened[0][:, 0]
    doubted = quality == Quality.SPIKE
    chart = Chart(
        "Spikes come back, a failure goes on (simulated)", "minutes", "mm", (0, 119), (16, 26)
    )
    chart.line(minute, np.where(doubted, np.nan, value), BLUE, "believed")
    chart.dots(minute, value, GREY, "readings", r=1.6)
    chart.dots(minute[doubted], value[doubted], RED, "not believed", r=3.5)
    return chart


SIMULATED: dict[str, Callable[[], Chart]] = {
    "seismicity": rates_before_a_burst,
    "control-charts": shift_under_the_limit,
    "screens": screened_crack,
}
REAL: dict[str, Callable[[], Chart]] = {"rain": rain_of_a_year}


def draw() -> None:
    for name, chart in (SIMULATED | (REAL if FOLDER.is_dir() else {})).items():
        (PICTURES / f"{name}.svg").write_text(chart().svg(), encoding="utf-8")


if __name__ == "__main__":
    draw()
