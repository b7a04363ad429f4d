"""Formulas: what may stand in one, what is refused, and what becomes of missing values."""

import math

import numpy as np
import pytest

from telemetry.formula import FUNCTIONS, FormulaError, parse, why_not_a_name

NAN, INF = math.nan, math.inf


def value(text: str, **names: float) -> float:
    result = parse(text, names).evaluate({name: [number] for name, number in names.items()})
    return float(result[0]) if result.ndim else float(result)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("crest - pond", 4.0),
        ("-crest ** 2", -100.0),
        ("2 ** 3 ** 2", 512.0),
        ("crest % 4", 2.0),
        ("-7 % 4", 1.0),
        ("crest > pond", 1.0),
        ("crest <= pond", 0.0),
        ("crest == 10 and pond != 5", 1.0),
        ("0 or 0", 0.0),
        ("3 and 5", 1.0),
        ("not 2", 0.0),
        ("1 if crest > 10 else 2", 2.0),
        ("min(crest, pond, 2) + max(crest, 20)", 22.0),
        ("hypot(3, 4)", 5.0),
        ("log(exp(2)) + log10(100)", 4.0),
        ("sqrt(abs(-16))", 4.0),
        ("degrees(atan2(1, 1))", 45.0),
        ("sin(0) + cos(0) + tan(0)", 1.0),
        ("crest\n - pond", 4.0),
    ],
)
def test_arithmetic(text: str, expected: float) -> None:
    assert value(text, crest=10.0, pond=6.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "x + 1",
        "x ** 0",
        "1 ** x",
        "hypot(x, 1 / 0)",
        "atan2(x, 1)",
        "x > 1",
        "x != x",
        "x and 0",
        "1 or x",
        "not x",
        "1 if x else 2",
        "min(x, 1)",
        "max(1, x)",
    ],
)
def test_what_is_missing_stays_missing(text: str) -> None:
    assert math.isnan(value(text, x=NAN))


def test_a_choice_looks_only_at_its_branch() -> None:
    assert value("x if y > 0 else 7", x=NAN, y=-1.0) == 7.0
    assert math.isnan(value("x if y > 0 else 7", x=NAN, y=1.0))


@pytest.mark.parametrize(
    ("text", "expected"), [("1 / x", INF), ("9 ** 9 ** 9", INF), ("exp(1000)", INF)]
)
def test_what_has_no_finite_value_is_infinite_and_does_not_hang(text: str, expected: float) -> None:
    assert value(text, x=0.0) == expected


@pytest.mark.parametrize("text", ["0 / x", "log(x - 1)", "sqrt(x - 1)", "(x - 8) ** 0.5"])
def test_what_has_no_value_is_nan(text: str) -> None:
    assert math.isnan(value(text, x=0.0))


def test_whole_columns_are_computed_at_once_and_constants_are_filled_in() -> None:
    formula = parse("crest - pond", ["pond"], {"crest": 105.0})

    assert formula.names == {"pond"}
    assert formula.evaluate({"pond": np.array([100.0, 101.0, NAN])})[:2].tolist() == [5.0, 4.0]
    assert formula.evaluate({"pond": np.empty(0)}).shape == (0,)


def test_the_result_is_an_array_of_its_own() -> None:
    column = np.array([1.0, 2.0])
    result = parse("x", ["x"]).evaluate({"x": column})
    result[0] = 9.0
    assert column[0] == 1.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x.real", "is not arithmetic"),
        ("x[0]", "is not arithmetic"),
        ("[x]", "is not arithmetic"),
        ("lambda: x", "is not arithmetic"),
        ("x // 2", "is not arithmetic"),
        ("x & 1", "is not arithmetic"),
        ("~x", "is not arithmetic"),
        ("x is x", "is not arithmetic"),
        ("f'{x}'", "is not arithmetic"),
        ("(y := x)", "is not arithmetic"),
        ("[y for y in x]", "is not arithmetic"),
        ("__import__('os').system('true')", "is no function"),
        ("open('x')", "is no function"),
        ("eval(x)", "is no function"),
        ("'x'", "is not a number"),
        ("True", "is not a number"),
        ("1j", "is not a number"),
        ("None", "is not a number"),
        ("y + 1", "neither an input nor a constant (known names: x)"),
        ("sqrt", "needs its arguments"),
        ("sqrt()", "takes 1 plain arguments"),
        ("sqrt(x, x)", "takes 1 plain arguments"),
        ("min(x)", "takes 2 to 32"),
        ("sqrt(x=1)", "plain arguments"),
        ("min(*x, 1)", "is not arithmetic"),
        ("0 < x < 1", "cannot be chained"),
        ("x +", "cannot be read"),
        ("", "cannot be read"),
        ("x = 1", "cannot be read"),
        ("1if x else 2", "cannot be read"),
        ("x\0", "cannot be read"),
        ("(" * 300, "cannot be read"),
        ("-" * 400 + "x", "nested more than"),
        ("x" * 501, "501 characters"),
        ("9" * 400, "too large"),
        ("1e999", "too large"),
        ("x # as surveyed\n + 3.5", "no comments"),
    ],
)
def test_everything_else_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(FormulaError) as refusal:
        parse(text, ["x"])
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["lambda", "and", "if", "True", "min", "1x", "a-b", "", "高", "a b"]
)
def test_words_that_cannot_be_names(name: str) -> None:
    assert why_not_a_name(name)


@pytest.mark.parametrize("name", ["x", "pond_level", "P1", "_a", "math"])
def test_words_that_can_be_names(name: str) -> None:
    assert why_not_a_name(name) is None


def test_every_function_can_be_called_and_keeps_nan() -> None:
    for name, (_, least, _) in FUNCTIONS.items():
        arguments = ", ".join(["x"] * least)
        assert math.isfinite(value(f"{name}({arguments})", x=0.5))
        assert math.isnan(value(f"{name}({arguments})", x=NAN))
