"""What holds for every slow method: channels don't see each other, and gaps have an answer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alarms.trends.hampel import hampel
from alarms.trends.mann_kendall import Correlation, MannKendallParameters, mann_kendall
from alarms.trends.means import HOUR_US
from alarms.trends.rate import RateParameters, rates
from alarms.trends.theil_sen import SenParameters, sen_lines

Rows = NDArray[np.float64]
Answer = dict[str, NDArray[Any]]  # By name; the channel is the first axis.


def fields_of(found: Any) -> Answer:
    return {name: getattr(found, name) for name in found.__slots__}


def at_us(value: Rows) -> NDArray[np.int64]:
    return 1_751_328_000_000_000 + np.arange(value.shape[1]) * HOUR_US


def rate(value: Rows) -> Answer:
    end_us = 1_751_328_000_000_000 + value.shape[1] * HOUR_US
    parameters = RateParameters(windows_us=(6 * HOUR_US, 24 * HOUR_US), means_min=3)
    return {k: v.T for k, v in fields_of(rates(value, at_us(value), end_us, parameters)).items()}


def sen(value: Rows) -> Answer:
    return fields_of(sen_lines(value, at_us(value), SenParameters(means_min=4)))


def hampel_of(value: Rows) -> Answer:
    return fields_of(hampel(value, np.full(len(value), 0.25)))


def kendall(correlation: Correlation) -> Callable[[Rows], Answer]:
    parameters = MannKendallParameters(correlation=correlation, means_min=5)
    return lambda value: fields_of(mann_kendall(value, parameters))


METHODS: dict[str, Callable[[Rows], Answer]] = {
    "rate": rate,
    "sen": sen,
    "hampel": hampel_of,
    **{f"mann-kendall {one}": kendall(one) for one in Correlation},
}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Quarters, so that ties and constants are common; gaps of all kinds; empty rows too."""
    shape = draw(st.tuples(st.integers(0, 5), st.integers(0, 26)))
    number = st.one_of(st.integers(-12, 12).map(lambda n: n / 4), st.just(np.nan))
    cells = draw(st.lists(number, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return np.array(cells, dtype=np.float64).reshape(shape)


def same(one: Answer, two: Answer) -> None:
    assert one.keys() == two.keys()
    for name, mine in one.items():
        np.testing.assert_allclose(two[name], mine, rtol=1e-9, atol=1e-12, err_msg=name)


@each_method
@given(value=rows(), data=st.data())
def test_the_order_of_channels_and_their_company_mean_nothing(
    method: Callable[[Rows], Answer], value: Rows, data: st.DataObject
) -> None:
    order = np.array(data.draw(st.permutations(range(len(value)))), dtype=np.int64)
    whole = method(value)
    same({name: one[order] for name, one in whole.items()}, method(value[order]))
    for row in range(len(value)):
        alone = method(value[row : row + 1])
        same({name: one[row : row + 1] for name, one in whole.items()}, alone)


@each_method
@given(value=rows())
def test_infinity_is_missing_too(method: Callable[[Rows], Answer], value: Rows) -> None:
    same(method(value), method(np.where(np.isnan(value), np.inf, value)))


@each_method
@given(value=rows(), shift=st.integers(-40, 40))
def test_the_zero_of_a_scale_means_nothing(
    method: Callable[[Rows], Answer], value: Rows, shift: int
) -> None:
    if method is METHODS["mann-kendall pre_whitened"]:
        # Quarters less a share of other quarters tie or not by the last bit: make none tie.
        value = value + 1e-3 * np.sin(np.arange(value.size)).reshape(value.shape)
    here, there = method(value), method(value + shift)
    for levels in ("intercept", "median"):
        if levels in here:
            here[levels] = here[levels] + shift
    same(here, there)


@pytest.mark.parametrize(
    "method", [m for name, m in METHODS.items() if name != "hampel"], ids=lambda _: "unit"
)
@given(value=rows())
def test_the_unit_means_nothing_and_upside_down_is_the_other_way(
    method: Callable[[Rows], Answer], value: Rows
) -> None:
    here, there = method(value), method(-8 * value)
    slopes = {"rate_per_h": "rate_per_h", "slope_per_h": "slope_per_h", "intercept": "intercept",
              "low_per_h": "high_per_h", "high_per_h": "low_per_h"}  # fmt: skip
    for name, other in slopes.items():
        if name in here:
            np.testing.assert_allclose(there[other], -8 * here[name], rtol=1e-9, atol=1e-9)
    for name in ("s", "z", "tau"):
        if name in here:
            np.testing.assert_allclose(there[name], -here[name], rtol=1e-9, atol=1e-12)


@each_method
@given(value=rows())
def test_a_verdict_is_always_given(method: Callable[[Rows], Answer], value: Rows) -> None:
    found = method(value)
    assert np.isfinite(found["verdict"]).all()
    assert found["verdict"].dtype == np.int8
    assert (found["verdict"][np.isnan(value).all(axis=1)] == 0).all()
