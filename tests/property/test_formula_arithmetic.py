"""What must hold for every formula: it computes what Python would, row by row."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from telemetry.formula import FormulaError, parse

NAMES = ("a", "b", "c")
NUMBERS = st.floats(-50.0, 50.0, allow_nan=False).map(lambda x: round(x, 3))
LEAVES = st.one_of(st.sampled_from(NAMES), NUMBERS.map(lambda x: f"({x!r})"))


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    three = st.tuples(inner, inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        two.map(lambda t: f"({t[0]} and {t[1]})"),
        two.map(lambda t: f"({t[0]} or {t[1]})"),
        three.map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        two.map(lambda t: f"min({t[0]}, {t[1]})"),
        three.map(lambda t: f"max({t[0]}, {t[1]}, {t[2]})"),
        inner.map(lambda t: f"abs({t})"),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"(not {t})"),
        inner.map(lambda t: f"{t} ** 2" if t[0] in "(abc" else t),
    )


FORMULAS = st.recursive(LEAVES, grown, max_leaves=8)
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5)


def by_python(text: str, row: tuple[float, float, float]) -> float | None:
    """What Python computes; None where it has no finite result."""
    words = dict(zip(NAMES, row, strict=True))
    try:
        result = eval(text, {"__builtins__": {"min": min, "max": max, "abs": abs}}, words)
    except (ZeroDivisionError, OverflowError):
        return None
    return float(result) if math.isfinite(result) else None


# Python's `and` and `or` give an operand back where ours give 1 or 0: they have their own test.
@given(text=FORMULAS.filter(lambda t: " and " not in t and " or " not in t), rows=ROWS)
def test_formulas_compute_what_python_does(
    text: str, rows: list[tuple[float, float, float]]
) -> None:
    try:
        formula = parse(text, NAMES)
    except FormulaError:
        assert len(text) > 500
        return
    columns = dict(zip(NAMES, np.array(rows).T, strict=True))
    ours = np.broadcast_to(formula.evaluate(columns), len(rows))

    for row, result in zip(rows, ours, strict=True):
        expected = by_python(text, row)
        if expected is not None:
            assert result == expected or math.isclose(result, expected, rel_tol=1e-12)


@given(left=FORMULAS, right=FORMULAS, row=st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_junctions_are_one_or_zero(left: str, right: str, row: tuple[float, float, float]) -> None:
    columns = {name: np.array([number]) for name, number in zip(NAMES, row, strict=True)}

    def computed(text: str) -> float:
        return float(np.broadcast_to(parse(text, NAMES).evaluate(columns), 1)[0])

    try:
        one, other = computed(left), computed(right)
        both, either = computed(f"{left} and {right}"), computed(f"{left} or {right}")
    except FormulaError:
        return
    if math.isnan(one) or math.isnan(other):
        assert math.isnan(both)
        assert math.isnan(either)
    else:
        assert both == float(bool(one) and bool(other))
        assert either == float(bool(one) or bool(other))


@given(text=FORMULAS, rows=ROWS, cut=st.integers(0, 5))
def test_cutting_columns_changes_nothing(
    text: str, rows: list[tuple[float, float, float]], cut: int
) -> None:
    try:
        formula = parse(f"a * 0 + sin({text}) + exp(b / 50) ** 1.3", NAMES)
    except FormulaError:
        return
    columns = dict(zip(NAMES, np.array(rows).T, strict=True))
    whole = formula.evaluate(columns)
    parts = [
        formula.evaluate({name: column[part] for name, column in columns.items()})
        for part in (slice(None, cut), slice(cut, None))
    ]
    assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)


@given(text=st.text(max_size=60), names=st.lists(st.text(max_size=5), max_size=3))
def test_any_text_is_a_formula_or_refused(text: str, names: list[str]) -> None:
    try:
        formula = parse(text, names)
    except FormulaError:
        return
    formula.evaluate({name: [1.0, math.nan] for name in formula.names})


ALPHABET = st.text(alphabet="abx019.+-*/%()<>=! ,'\"[]{}:_@#\\\n", max_size=80)


@given(text=ALPHABET)
def test_arithmetic_looking_text_is_a_formula_or_refused(text: str) -> None:
    try:
        formula = parse(text, NAMES)
    except FormulaError:
        return
    formula.evaluate({name: [1.0, math.nan] for name in formula.names})
