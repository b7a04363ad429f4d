"""Control charts: what each shows, reading by reading, against other people's figures."""

import numpy as np
import pytest
from engine_sites import BEGAN_US, MINUTE_US, Watch, channel, limit, plan, scans

from alarms.detectors.baseline import learn, spread
from alarms.detectors.cusum import cusum
from alarms.detectors.ewma import Weights, ewma
from alarms.detectors.page_hinkley import page_hinkley
from alarms.transition import AlarmKind, Change, Transition
from alarms.warming import warming_up

# NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.4.
NIST = [52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5]
NIST += [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]
NIST_SIGMA = 2.0539


def test_the_chart_of_the_handbook() -> None:
    weights = Weights.of(np.array([0.3]))
    smoothed, fading = np.zeros(1), np.ones(1)
    far = 3.0 * NIST_SIGMA * np.sqrt(0.3 / 1.7)
    assert 50.0 + far == pytest.approx(52.5884, abs=1e-4)
    assert 50.0 - far == pytest.approx(47.4115, abs=1e-4)
    for value in NIST:
        deviation = np.array([(value - 50.0) / NIST_SIGMA])
        shown, smoothed, fading = ewma(deviation, smoothed=smoothed, fading=fading, weights=weights)
        assert abs(shown[0]) < 3.0
    assert 50.0 + smoothed[0] * NIST_SIGMA == pytest.approx(51.99, abs=0.005)


def test_a_chart_of_a_single_reading_has_its_spread() -> None:
    # After one reading the smoothed mean is the reading times the weight, and so is its spread.
    for weight in (0.05, 0.3, 1.0):
        shown, *_ = ewma(
            np.array([2.5]),
            smoothed=np.zeros(1),
            fading=np.ones(1),
            weights=Weights.of(np.array([weight])),
        )
        assert shown[0] == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("slack", "bound", "shift", "expected"),
    [
        # Montgomery, Introduction to Statistical Quality Control, table 9.3 (k = 0.5): the mean
        # run lengths of the two-sided chart, 168 and 465 without a shift; one side has twice that.
        (0.5, 4.0, 0.0, 2 * 168.0),
        (0.5, 4.0, 1.0, 8.38),
        (0.5, 5.0, 1.0, 10.4),
        (0.5, 4.0, 2.0, 3.34),
    ],
)
def test_mean_run_lengths_of_the_cusum_are_the_published_ones(
    slack: float, bound: float, shift: float, expected: float
) -> None:
    charts, readings = 4_000, 2_000
    chance = np.random.default_rng(20260101)
    total, alarms = np.zeros(charts), 0
    for _ in range(readings):
        total = cusum(
            chance.normal(shift, 1.0, charts),
            total=total,
            slack=np.full(charts, slack),
            most=np.full(charts, 2 * bound),
        )
        over = total > bound
        alarms += int(over.sum())
        total[over] = 0.0
    # What runs still at the end is missing from the count: hardly any of so many.
    assert charts * readings / alarms == pytest.approx(expected, rel=0.03)


def test_page_hinkley_equals_its_definition() -> None:
    chance = np.random.default_rng(7)
    readings = np.concatenate([chance.normal(100.0, 1.0, 400), chance.normal(101.5, 1.0, 100)])
    means = np.cumsum(readings) / np.arange(1, len(readings) + 1)
    m = np.cumsum(readings - means - 0.5)
    # The sum begins at 0, before the first reading.
    by_definition = m - np.minimum(np.minimum.accumulate(m), 0.0)
    count, mean, total, shown = np.zeros(1), np.zeros(1), np.zeros(1), []
    for reading in readings:
        total, count, mean = page_hinkley(
            np.array([reading]),
            count=count,
            mean=mean,
            total=total,
            slack=np.array([0.5]),
            most=np.array([1e9]),
        )
        shown.append(total[0])
    np.testing.assert_allclose(shown, by_definition, atol=1e-9)
    assert max(shown[:400]) < 10.0 < max(shown[400:])


def test_what_is_learned_is_exact_far_from_zero() -> None:
    chance = np.random.default_rng(3)
    values = 1e9 + chance.normal(0.0, 0.01, 5_000)
    count, mean, square = np.zeros(1), np.zeros(1), np.zeros(1)
    for value in values:
        count, mean, square = learn(np.array([value]), count=count, mean=mean, square=square)
    assert mean[0] == pytest.approx(np.mean(values - 1e9) + 1e9, abs=1e-5)
    assert spread(count, square, np.array([1e-9]))[0] == pytest.approx(
        np.std(values - 1e9, ddof=1), rel=1e-4
    )


# In the engine.


def chart(method: str, direction: str = "high", **words: object) -> dict[str, object]:
    return limit(direction, method=method, **words)


def run(charts: list[object], values: list[float], *, gap_after: int | None = None) -> Watch:
    watch = Watch(plan({"a": [channel("a0", 0, resolution=0.01, charts=charts)]}))
    at_us = BEGAN_US + np.arange(len(values)) * MINUTE_US
    if gap_after is not None:
        at_us[gap_after:] += 60 * MINUTE_US
    watch.flush(scans(0, at_us, np.array(values)))
    return watch


def process(watch: Watch) -> list[Transition]:
    return [one for one in watch.told if one.kind is AlarmKind.PROCESS]


def quiet(count: int, sigma: float = 0.1) -> list[float]:
    return np.random.default_rng(1).normal(5.0, sigma, count).tolist()


@pytest.mark.parametrize("method", ["ewma", "cusum", "page_hinkley"])
@pytest.mark.parametrize("direction", ["high", "low"])
def test_a_small_shift_that_lasts_is_found_in_its_direction_only(
    method: str, direction: str
) -> None:
    sign = 1.0 if direction == "high" else -1.0
    values = quiet(300)
    shifted = [*values[:200], *(value + sign * 0.15 for value in values[200:])]
    bound = {"ewma": 4.0, "cusum": 8.0, "page_hinkley": 12.0}[method]
    words = {"sigma": 0.1, "yellow": bound, "deadband": 3.0}
    if method != "page_hinkley":
        words["mean"] = 5.0
    assert process(run([chart(method, direction, **words)], values)) == []
    other = "low" if direction == "high" else "high"
    assert process(run([chart(method, other, **words)], shifted)) == []
    (raised,) = process(run([chart(method, direction, **words)], shifted))
    assert (raised.change, raised.rule) == (Change.RAISE, f"{method}_{direction}")
    assert 200 <= (raised.sampled_us - BEGAN_US) // MINUTE_US < 240
    assert raised.evidence["sigma"] == 0.1
    assert raised.evidence["statistic"] >= raised.evidence["bound"] == bound
    assert raised.evidence["mean"] == (None if method == "page_hinkley" else 5.0)


def test_what_is_usual_is_learned_first_and_the_rule_says_so() -> None:
    charts = [chart("cusum", yellow=8.0, learn_readings=100)]
    values = quiet(300)
    watch = run(charts, values[:99])
    assert warming_up(watch.state, watch.engine.rules).tolist() == [True, False, False]
    watch = run(charts, values[:100])
    assert not warming_up(watch.state, watch.engine.rules).any()
    mean, sigma = np.mean(values[:100]), np.std(values[:100], ddof=1)
    (raised,) = process(run(charts, [*values[:150], *([5.3] * 20)]))
    assert raised.evidence["mean"] == pytest.approx(mean)
    assert raised.evidence["sigma"] == pytest.approx(sigma)


def test_what_a_learner_sees_first_raises_nothing() -> None:
    charts = [chart("cusum", yellow=8.0, learn_readings=100), chart("ewma", yellow=5.0)]
    assert process(run(charts, [*quiet(40), *([9.0] * 30), *quiet(30)])) == []


def test_a_channel_that_repeats_one_value_is_no_quieter_than_its_resolution() -> None:
    charts = [chart("cusum", yellow=8.0, learn_readings=50)]
    assert process(run(charts, [5.0] * 400)) == []
    # A step of the resolution is one standard deviation, and found by and by.
    (raised,) = process(run(charts, [*[5.0] * 100, *[5.01] * 50]))
    assert raised.evidence["sigma"] == 0.01


def test_a_gap_begins_a_chart_anew() -> None:
    charts = [chart("cusum", yellow=8.0, sigma=0.1, mean=5.0)]
    half = [5.15] * 7  # Adds up to 7 of 8.
    assert len(process(run(charts, half * 2))) == 1
    assert process(run(charts, half * 2, gap_after=7)) == []


def test_a_gap_clears_no_alarm() -> None:
    charts = [chart("cusum", yellow=8.0, sigma=0.1, mean=5.0)]
    told = process(run(charts, [5.15] * 30, gap_after=20))
    assert [one.change for one in told] == [Change.RAISE]


def test_a_mad_reading_is_forgotten_in_the_end() -> None:
    charts = [chart(method, yellow=8.0, sigma=0.1) for method in ("ewma", "cusum")]
    charts = [one | {"mean": 5.0} for one in charts]
    told = process(run(charts, [5.0, 1e300, *[5.0] * 100]))
    assert [(one.rule, one.change) for one in told] == [
        ("ewma_high", Change.RAISE),
        ("cusum_high", Change.RAISE),
        ("cusum_high", Change.CLEAR),
        ("ewma_high", Change.CLEAR),
    ]


@pytest.mark.parametrize(
    ("violates", "raised_at", "cleared_at"),
    [
        ("0110010", None, None),  # Two of four at most.
        ("0111000000", 3, 5),
        ("1011000000", 3, 4),
        ("0101010101", None, None),
        ("0111111100001", 3, 9),
    ],
)
def test_a_level_is_confirmed_by_so_many_of_the_last_readings(
    violates: str, raised_at: int | None, cleared_at: int | None
) -> None:
    limits = [limit(yellow=7.0, confirm={"at_least": 3, "of_last": 4})]
    watch = Watch(plan({"a": [channel("a0", 0, limits=limits)]}))
    values = np.array([8.0 if one == "1" else 5.0 for one in violates])
    watch.flush(scans(0, BEGAN_US + np.arange(len(values)) * MINUTE_US, values))
    told = {one.change: (one.sampled_us - BEGAN_US) // MINUTE_US for one in process(watch)}
    expected = {Change.RAISE: raised_at, Change.CLEAR: cleared_at}
    assert told == {change: at for change, at in expected.items() if at is not None}


def test_a_deadband_holds_while_readings_are_counted() -> None:
    limits = [limit(yellow=7.0, deadband=1.0, confirm={"at_least": 3, "of_last": 3})]
    watch = Watch(plan({"a": [channel("a0", 0, limits=limits)]}))
    values = np.array([7.0, 6.5, 6.5, 6.5, 5.9, 6.5, 7.0])
    watch.flush(scans(0, BEGAN_US + np.arange(len(values)) * MINUTE_US, values))
    told = [(one.change, (one.sampled_us - BEGAN_US) // MINUTE_US) for one in process(watch)]
    assert told == [(Change.RAISE, 2), (Change.CLEAR, 4)]


def test_readings_from_before_a_gap_confirm_nothing_and_end_nothing() -> None:
    limits = [limit(yellow=7.0, confirm={"at_least": 3, "of_last": 4})]
    at_us = BEGAN_US + np.array([0, 1, 100, 101]) * MINUTE_US
    watch = Watch(plan({"a": [channel("a0", 0, limits=limits)]}))
    watch.flush(scans(0, at_us, np.full(4, 8.0)))
    assert process(watch) == []
    at_us = BEGAN_US + np.array([0, 1, 2, 100, 101]) * MINUTE_US
    watch = Watch(plan({"a": [channel("a0", 0, limits=limits)]}))
    watch.flush(scans(0, at_us, np.array([8.0, 8.0, 8.0, 5.0, 8.0])))
    assert [one.change for one in process(watch)] == [Change.RAISE]
