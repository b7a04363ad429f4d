"""The pictures of the pages about slow methods, from simulated and real series.

    PYTHONPATH=.:tests .venv/bin/python tests/trend_pictures.py

Real series are read from the folder that `tests/real_data.py` names; without it their pictures
stay as they are.
"""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from real_data import FOLDER
from svg_chart import BLUE, GREEN, GREY, ORANGE, RED, Chart

from alarms.rounds import Cells
from alarms.trends.binned import Bins
from alarms.trends.drift import DriftVerdict, drift
from alarms.trends.hampel import HampelVerdict, hampel
from alarms.trends.hydrostatic import DAY_US, hydrostatic_model
from alarms.trends.mahalanobis import DistanceVerdict, distances, reference
from alarms.trends.mann_kendall import Correlation, MannKendallParameters, mann_kendall
from alarms.trends.means import HOUR_US, BinnedMeans, means
from alarms.trends.neighbours import Neighbourhoods, confirmed
from alarms.trends.rate import rates
from alarms.trends.regression import Validity, fit
from alarms.trends.residuals import residuals
from alarms.trends.seasons import SeasonalModel
from alarms.trends.theil_sen import TrendVerdict, sen_lines
from telemetry.scan import JudgedScans

PICTURES = Path(__file__).parents[1] / "docs" / "detectors" / "pictures"
ALWAYS = Validity(version=1, from_us=0, until_us=2**62)


def pond(column: str) -> tuple[np.ndarray, np.ndarray]:
    """A column of the real tailings pond (dVsVs_tailingsmonitoring, MIT, © 2022 S. Ouellet)."""
    with (FOLDER / "tailings_pond_2020_5min.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    at = [datetime.strptime(row["Time"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) for row in rows]
    value = [float(row[column] or "nan") for row in rows]
    return np.array([round(one.timestamp()) * 1_000_000 for one in at]), np.array(value)


def binned(at_us: np.ndarray, value: np.ndarray, width_us: int) -> BinnedMeans:
    """The means of one channel, through the same bins as in the engine."""
    length = int(at_us[-1] // width_us - at_us[0] // width_us) + 1
    bins = Bins.empty(channels=1, width_us=width_us, length=length)
    cells = Cells(np.array([0, 1]), np.array([0]))
    rows = value[:, np.newaxis]
    quality = np.zeros(rows.shape, np.int16)
    bins.add([JudgedScans(0, at_us, at_us, rows, rows, quality)], cells)
    return means(bins, (bins.newest + 1) * width_us)


def rate_of_a_pond() -> Chart:
    at_us, level = pond("Primary Pond Level[m]")
    found = binned(at_us, level, HOUR_US // 6)
    ends_us = found.at_us[7 * 144 :: 6]
    per_day = np.array([rates(found.value, found.at_us, int(end)).rate_per_h for end in ends_us])
    days = (ends_us - found.at_us[0]) / DAY_US
    chart = Chart(
        "Rate of a real pond's level", "days since 1 June 2020", "m per day", (7, 92), (-0.2, 0.3)
    )
    for window, colour, name in ((1, GREY, "over 24 h"), (2, BLUE, "over 7 d")):
        chart.line(days, 24 * per_day[:, window, 0], colour, name)
    return chart


def binned_pond() -> Chart:
    at_us, level = pond("Primary Pond Level[m]")
    some = (at_us >= at_us[0] + 26 * DAY_US) & (at_us < at_us[0] + 31 * DAY_US)
    narrow, wide = (
        binned(at_us[some], level[some], width) for width in (HOUR_US // 2, DAY_US // 4)
    )
    chart = Chart(
        "Readings of a real pond and their means", "days since 1 June 2020", "m",
        (26, 31), (np.nanmin(level[some]) - 0.02, np.nanmax(level[some]) + 0.02),
    )  # fmt: skip
    chart.dots((at_us[some][::3] - at_us[0]) / DAY_US, level[some][::3], GREY, "readings", r=1)
    chart.line((narrow.at_us - at_us[0]) / DAY_US, narrow.value[0], BLUE, "half an hour")
    chart.dots((wide.at_us - at_us[0]) / DAY_US, wide.value[0], ORANGE, "six hours", r=3.5)
    return chart


def theil_sen_with_wild_means() -> Chart:
    random = np.random.default_rng(4)
    hour = np.arange(60.0)
    value = 20 + 0.05 * hour + random.normal(0, 0.25, 60)
    value[random.choice(60, 9, replace=False)] += random.uniform(3, 7, 9)
    found = sen_lines(value[np.newaxis], np.arange(60) * HOUR_US)
    middle = np.median(hour)
    level = found.intercept[0] + found.slope_per_h[0] * middle
    chart = Chart("Displacement with wild means (simulated)", "hours", "mm", (0, 60), (18, 29))
    low, high = found.low_per_h[0], found.high_per_h[0]
    edges = np.stack([level + low * (hour - middle), level + high * (hour - middle)])
    chart.band(hour, edges.min(axis=0), edges.max(axis=0), BLUE, "95 % interval of the slope")
    chart.dots(hour, value, GREY, "means", r=2.2)
    chart.line(hour, np.polyval(np.polyfit(hour, value, 1), hour), RED, "least squares", dash="5 4")
    chart.line(hour, level + found.slope_per_h[0] * (hour - middle), BLUE, "Theil–Sen")
    return chart


def false_trends() -> Chart:
    random = np.random.default_rng(5)
    correlations = np.arange(0, 0.85, 0.1)
    noise = random.normal(0, 1, (1500, 100))
    chart = Chart(
        "Trends seen where there is none (simulated, 100 means, α = 0.01)",
        "correlation of neighbouring means", "share of channels", (0, 0.8), (0, 0.6),
    )  # fmt: skip
    for parameters, colour, name in (
        (MannKendallParameters(correlation=Correlation.IGNORED), RED, "ignored"),
        (MannKendallParameters(correlation=Correlation.PRE_WHITENED), ORANGE, "pre-whitened"),
        (MannKendallParameters(all_lags=True), GREY, "Hamed–Rao, all lags"),
        (MannKendallParameters(), BLUE, "Hamed–Rao (default)"),
    ):
        shares = []
        for correlation in correlations:
            value = noise.copy()
            for n in range(1, 100):
                value[:, n] += correlation * value[:, n - 1]
            found = mann_kendall(value, parameters).verdict
            shares.append(np.mean(found != TrendVerdict.NO_TREND))
        chart.line(correlations, shares, colour, name)
    chart.line([0, 0.8], [0.01, 0.01], GREEN, "asked for", dash="3 3")
    return chart


def hampel_on_a_pond() -> Chart:
    at_us, level = pond("Primary Pond Level[m]")
    level = level[7600:8000].copy()
    hours = (at_us[7600:8000] - at_us[7600]) / HOUR_US
    spikes = np.array([40, 41, 150, 233, 320])
    level[spikes] += [0.12, 0.12, -0.09, 0.2, 0.07]
    found = hampel(level[np.newaxis], np.array([0.01]))
    out = found.verdict[0] == HampelVerdict.OUTLIER
    middle, reach = found.median[0], 3 * found.spread[0]
    some = ~np.isnan(middle)
    chart = Chart(
        "A real pond's level with five spikes put in", "hours", "m", (0, 33.3),
        (level.min() - 0.03, level.max() + 0.03),
    )  # fmt: skip
    chart.band(hours[some], (middle - reach)[some], (middle + reach)[some], BLUE, "median ± 3 S")
    chart.dots(hours, level, GREY, "readings, 5 min", r=1.4)
    chart.dots(hours[out], level[out], RED, "outliers", r=3)
    return chart


def drifting_twin() -> Chart:
    random = np.random.default_rng(6)
    hour = np.arange(24 * 14.0)
    ground = (
        120 + np.sin(hour * np.pi / 12) + np.where(hour > 150, 8 * np.exp(-(hour - 150) / 60), 0)
    )
    value = ground + random.normal(0, 0.08, (2, len(hour)))
    value[0] += 0.6 * np.clip(hour - 96, 0, None) / 240
    at_us = (hour * HOUR_US).astype(np.int64)
    found = [
        DriftVerdict(
            drift(value[:, :end], at_us[:end], np.array([[0, 1]]), np.array([0.2])).verdict[0]
        )
        for end in range(30, len(hour))
    ]
    seen = 30 + found.index(DriftVerdict.DRIFTS_UP)
    chart = Chart(
        "Two piezometers at one place (simulated)", "hours", "difference, kPa", (0, 336), (-0.4, 1)
    )
    chart.dots(hour, value[0] - value[1], GREY, "first minus second, hourly means", r=1.6)
    chart.line([96, 96], [-0.4, 1], ORANGE, "drift begins", dash="4 3")
    chart.line([seen, seen], [-0.4, 1], RED, "told")
    return chart


def dam_with_a_change() -> Chart:
    random = np.random.default_rng(7)
    day = np.arange(7 * 365)
    at_us = 1_420_070_400_000_000 + day * DAY_US + DAY_US // 2
    level = 60 + 5 * np.sin(day / 58.1) + 4 * np.sin(day / 171) + np.sin(day / 23)
    z, s = (level - 50) / 20, 2 * np.pi * day / 365.25
    value = (
        8 * z
        + 4 * z**4
        - 4 * np.cos(s)
        + 0.8 * np.log1p(day / 100)
        + random.normal(0, 0.3, len(day))
    )
    changed = 2200
    value[changed:] += 0.006 * (day[changed:] - changed)
    learnt = day < 5 * 365
    model = hydrostatic_model(level[learnt], at_us[learnt])
    fitted = fit(model, value[np.newaxis, learnt], at_us[learnt], level[learnt, np.newaxis], ALWAYS)
    judged = residuals(fitted, value[np.newaxis], at_us, level[:, np.newaxis])
    chart = Chart("Pendulum of a dam: what HST does not explain (simulated)", "days", "mm",
                  (1000, 2555), (-2.5, 3))  # fmt: skip
    sigma = fitted.sigma[0]
    chart.band([1000, 2555], [-3 * sigma] * 2, [3 * sigma] * 2, BLUE, "± 3 σ")
    chart.band([1000, 2555], [-2 * sigma] * 2, [2 * sigma] * 2, BLUE, "± 2 σ")
    chart.dots(day[::4], judged.residual[0, ::4], GREY, "residual", r=1.5)
    chart.line([1825, 1825], [-2.5, 3], GREEN, "fitted until here", dash="4 3")
    chart.line([changed, changed], [-2.5, 3], RED, "the dam changes")
    return chart


def day_of_a_barometer() -> Chart:
    at_us, pressure = pond("BP_mbar")
    found = binned(at_us, pressure, HOUR_US)
    model = SeasonalModel(began_us=int(found.at_us[0]), year_harmonics=0, day_harmonics=2)
    drivers = np.zeros((len(found.at_us), 0))
    fitted = fit(model, found.value, found.at_us, drivers, ALWAYS)
    day = fitted.coefficient[0, 1:5] @ model.columns(found.at_us, drivers)[:, 1:5].T
    hour = (found.at_us // HOUR_US) % 24
    smooth = np.convolve(
        np.nan_to_num(found.value[0], nan=np.nanmean(found.value)), np.ones(25) / 25, "same"
    )
    rest = found.value[0] - smooth
    mean_day = [np.nanmean(rest[24:-24][hour[24:-24] == one]) for one in range(24)]
    title = "The day in a real barometer: 1 mbar among 30 of weather"
    chart = Chart(title, "hour of the logger's day", "mbar", (0, 24), (-0.8, 0.8))
    order = np.argsort(hour[:24])
    chart.dots(np.arange(24) + 0.5, mean_day, GREY, "mean of 92 days, weather taken off", r=3)
    chart.line(hour[:24][order] + 0.5, day[:24][order], BLUE, "two harmonics of the fit")
    return chart


def residuals_together() -> Chart:
    random = np.random.default_rng(8)
    shared = random.normal(0, 1, 600)
    quiet = np.stack([shared + random.normal(0, 0.35, 600), shared + random.normal(0, 0.35, 600)])
    learnt = reference(quiet)
    strange = np.array([[1.4, 1.6, 1.5], [-0.6, -0.4, -0.9]])
    verdict = distances(strange, learnt).verdict
    assert (verdict == DistanceVerdict.BEYOND).all()
    angle = np.linspace(0, 2 * np.pi, 90)
    ring = np.linalg.cholesky(learnt.covariance) @ np.stack([np.cos(angle), np.sin(angle)])
    ring = learnt.mean[:, np.newaxis] + np.sqrt(-2 * np.log(0.01)) * ring
    chart = Chart(
        "Two residuals that go together (simulated)", "first, σ", "second, σ", (-4, 4), (-4, 4)
    )
    chart.dots(quiet[0], quiet[1], GREY, "reference")
    chart.line(ring[0], ring[1], BLUE, "1 of 100 is outside")
    chart.dots(strange[0], strange[1], RED, "each usual, together not", r=4)
    return chart


def one_bumped_and_three_that_move() -> Chart:
    """Five points of a slope: one is bumped for a day, later three move one after the other."""
    hour = np.arange(240.0)
    level = np.zeros((5, len(hour)), dtype=np.int8)
    level[1, (hour >= 40) & (hour < 64)] = 3
    for point, begins in ((2, 110.0), (3, 135.0), (1, 170.0)):
        level[point] = np.maximum(level[point], np.clip((hour - begins) // 20, 0, 4))
    near = Neighbourhoods(np.arange(0, 26, 5), np.tile(np.arange(5), 5))
    together = [int(confirmed(level[:, n], near, k=2).level[0]) for n in range(len(hour))]
    chart = Chart("Two of five points (simulated)", "hours", "level", (0, 240), (-0.2, 4.4))
    chart.line(hour, np.max(level, axis=0).astype(float), GREY, "highest single level", dash="4 3")
    chart.line(hour, np.array(together, float), RED, "reached by two")
    return chart


SIMULATED: dict[str, Callable[[], Chart]] = {
    "theil-sen": theil_sen_with_wild_means,
    "mann-kendall": false_trends,
    "drift": drifting_twin,
    "hydrostatic": dam_with_a_change,
    "mahalanobis": residuals_together,
    "neighbours": one_bumped_and_three_that_move,
}
REAL: dict[str, Callable[[], Chart]] = {
    "binned-means": binned_pond,
    "rate": rate_of_a_pond,
    "hampel": hampel_on_a_pond,
    "seasons": day_of_a_barometer,
}


def draw() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, chart in (SIMULATED | (REAL if FOLDER.is_dir() else {})).items():
        (PICTURES / f"{name}.svg").write_text(chart().svg(), encoding="utf-8")


if __name__ == "__main__":
    draw()
