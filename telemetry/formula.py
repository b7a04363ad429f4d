"""Formulas of calculated channels: arithmetic that people write in a site file, and no more.

A formula is read once, into a flat program that works on whole arrays. It may hold numbers,
names, ``+ - * / ** %``, comparisons, ``and or not``, ``a if c else b`` and the functions of
`FUNCTIONS`. There are no attributes, no other calls, no strings and no whole numbers of
unbounded size, so that nothing a file says can reach the machine or keep it busy.

What is missing stays missing: an operand that is NaN makes the result NaN, also of a
comparison, of ``and``, ``or`` and ``not``, of ``nan ** 0`` and of ``hypot``. A choice is NaN
where its condition is, and otherwise looks only at the branch that was chosen. A comparison
gives 1.0 or 0.0, and so do ``and``, ``or`` and ``not``, for which any number but 0 is true.
What has no finite value (a division by zero, the root of a negative number) gives infinity
or NaN, which whoever judges the result takes for a failed conversion.
"""

import ast
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telemetry.site import CalculatedChannel

CHARACTERS_MAX: Final = 500
DEPTH_MAX: Final = 120
ARGUMENTS_MAX: Final = 32

Column = NDArray[np.float64]
Operation = Callable[..., Any]


class FormulaError(ValueError):
    """The formula cannot be used; the message is a sentence that says why."""


def _strict(operation: Operation) -> Operation:
    """Make an operation NaN wherever an operand is."""

    def apply(*operands: Column) -> Column:
        result = np.asarray(operation(*operands), dtype=np.float64)
        missing = np.isnan(operands[0])
        for operand in operands[1:]:
            missing = missing | np.isnan(operand)
        return np.where(missing, np.nan, result)

    return apply


def _choose(condition: Column, then: Column, otherwise: Column) -> Column:
    chosen = np.where(condition != 0.0, then, otherwise)
    return np.where(np.isnan(condition), np.nan, chosen)


def _least(*operands: Column) -> Column:
    result = operands[0]
    for operand in operands[1:]:
        result = np.minimum(result, operand)
    return result


def _greatest(*operands: Column) -> Column:
    result = operands[0]
    for operand in operands[1:]:
        result = np.maximum(result, operand)
    return result


# Name, operation, and how many arguments it takes at least and at most.
FUNCTIONS: Final[dict[str, tuple[Operation, int, int]]] = {
    "min": (_least, 2, ARGUMENTS_MAX),
    "max": (_greatest, 2, ARGUMENTS_MAX),
    "abs": (np.abs, 1, 1),
    "sqrt": (np.sqrt, 1, 1),
    "exp": (np.exp, 1, 1),
    "log": (np.log, 1, 1),
    "log10": (np.log10, 1, 1),
    "sin": (np.sin, 1, 1),
    "cos": (np.cos, 1, 1),
    "tan": (np.tan, 1, 1),
    "asin": (np.arcsin, 1, 1),
    "acos": (np.arccos, 1, 1),
    "atan": (np.arctan, 1, 1),
    "atan2": (_strict(np.arctan2), 2, 2),
    "hypot": (_strict(np.hypot), 2, 2),
    "radians": (np.radians, 1, 1),
    "degrees": (np.degrees, 1, 1),
}

_BINARY: Final[dict[type[ast.operator], Operation]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Mod: np.mod,
    ast.Pow: _strict(np.power),
}
_UNARY: Final[dict[type[ast.unaryop], Operation]] = {
    ast.UAdd: np.positive,
    ast.USub: np.negative,
    ast.Not: _strict(np.logical_not),
}
_COMPARISONS: Final[dict[type[ast.cmpop], Operation]] = {
    ast.Lt: _strict(np.less),
    ast.LtE: _strict(np.less_equal),
    ast.Gt: _strict(np.greater),
    ast.GtE: _strict(np.greater_equal),
    ast.Eq: _strict(np.equal),
    ast.NotEq: _strict(np.not_equal),
}
_JOINS: Final[dict[type[ast.boolop], Operation]] = {
    ast.And: _strict(np.logical_and),
    ast.Or: _strict(np.logical_or),
}


@dataclass(frozen=True, slots=True)
class _Push:
    """A step that puts a number, or the column of a name, on the stack."""

    number: float
    name: str | None = None


@dataclass(frozen=True, slots=True)
class _Apply:
    """A step that takes operands from the stack and puts back their result."""

    operation: Operation
    operands: int


_Program = tuple[_Push | _Apply, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A formula that has been read and found safe."""

    text: str
    names: frozenset[str]  # Those that the formula uses.
    _program: _Program

    def evaluate(self, columns: Mapping[str, ArrayLike]) -> Column:
        """Compute the formula for every row of the columns that it names.

        >>> parse("crest - pond", ["crest", "pond"]).evaluate({"crest": [105.0], "pond": [101.5]})
        array([3.5])
        """
        # Contiguous, because NumPy may compute strided columns along another path, whose last
        # bit differs; a result must not depend on how its rows were stored or cut.
        given = {name: np.ascontiguousarray(columns[name], dtype=np.float64) for name in self.names}
        shape = np.broadcast_shapes(*(column.shape for column in given.values()))
        stack: list[Any] = []
        with np.errstate(all="ignore"):
            for step in self._program:
                if isinstance(step, _Apply):
                    operands = stack[-step.operands :]
                    del stack[-step.operands :]
                    stack.append(step.operation(*operands))
                else:
                    stack.append(np.float64(step.number) if step.name is None else given[step.name])
        return np.array(np.broadcast_to(stack.pop(), shape), dtype=np.float64)


def parse(text: str, names: Iterable[str], constants: Mapping[str, float] | None = None) -> Formula:
    """Read a formula over some names and named constants; refuse it with a sentence."""
    if len(text) > CHARACTERS_MAX:
        raise FormulaError(f"the formula has {len(text)} characters; {CHARACTERS_MAX} are allowed")
    if "#" in text:  # The lines are read as one, so it would take all that follows along.
        raise FormulaError("a formula holds no comments (#); write them beside it, in the file")
    reader = _Reader(frozenset(names), dict(constants or {}))
    reader.read(_tree_of(text), 1)
    return Formula(text, frozenset(reader.used), tuple(reader.program))


def formula_of(channel: CalculatedChannel) -> Formula:
    """Read a calculated channel's formula, its constants put in place."""
    return parse(channel.formula, channel.inputs, channel.constants)


def why_not_a_name(name: str) -> str | None:
    """Say why a formula cannot use a word as a name, or None when it can."""
    if not (name.isascii() and name.isidentifier()):
        return "a name in a formula is a letter followed by letters, digits and underscores"
    if name in FUNCTIONS:
        return f"{name} is a function of formulas"
    if name in {"and", "or", "not", "if", "else"}:
        return f"{name} is a word of formulas"
    if isinstance(_tree_or_none(name), ast.Name):
        return None
    return f"{name} is a reserved word"


def _tree_or_none(text: str) -> ast.expr | None:
    try:
        return _tree_of(text)
    except FormulaError:
        return None


def _tree_of(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            # Python warns about numbers that run into words; the sentence below says it better.
            warnings.simplefilter("error", SyntaxWarning)
            warnings.simplefilter("error", DeprecationWarning)
            return ast.parse(text.replace("\n", " ").strip(), mode="eval").body
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        raise FormulaError(f"the formula cannot be read{place}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError, Warning) as error:
        raise FormulaError(f"the formula cannot be read: {error}") from None


class _Reader:
    """Turns a syntax tree into a program, and refuses everything that is not arithmetic."""

    def __init__(self, names: frozenset[str], constants: dict[str, float]) -> None:
        self.names = names
        self.constants = constants
        self.used: set[str] = set()
        self.program: list[_Push | _Apply] = []

    def read(self, node: ast.expr, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise FormulaError(f"the formula is nested more than {DEPTH_MAX} deep")
        match node:
            case ast.Constant(value=value):
                self.program.append(_Push(_number(value)))
            case ast.Name(id=name):
                self._read_name(name)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                self._apply(_BINARY[type(op)], [left, right], depth)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                self._apply(_UNARY[type(op)], [operand], depth)
            case ast.BoolOp(op=op, values=values):
                self._read_join(_JOINS[type(op)], values, depth)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                self._apply(_COMPARISONS[type(op)], [left, right], depth)
            case ast.Compare(ops=[_, _, *_]):
                raise FormulaError(
                    "comparisons cannot be chained: write `a < b and b < c` for `a < b < c`"
                )
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self._apply(_choose, [test, body, orelse], depth)
            case ast.Call():
                self._read_call(node, depth)
            case _:
                raise FormulaError(
                    f"`{_excerpt(node)}` is not arithmetic; a formula may hold numbers, names, "
                    "+ - * / ** %, comparisons, and, or, not, `a if c else b`, and the "
                    f"functions {', '.join(FUNCTIONS)}"
                )

    def _apply(self, operation: Operation, operands: list[ast.expr], depth: int) -> None:
        for operand in operands:
            self.read(operand, depth + 1)
        self.program.append(_Apply(operation, len(operands)))

    def _read_join(self, join: Operation, operands: list[ast.expr], depth: int) -> None:
        self.read(operands[0], depth + 1)
        for operand in operands[1:]:
            self.read(operand, depth + 1)
            self.program.append(_Apply(join, 2))

    def _read_name(self, name: str) -> None:
        if name in self.constants:
            self.program.append(_Push(float(self.constants[name])))
        elif name in self.names:
            self.used.add(name)
            self.program.append(_Push(math.nan, name))
        elif name in FUNCTIONS:
            raise FormulaError(f"the function {name} needs its arguments in parentheses")
        else:
            known = ", ".join(sorted({*self.names, *self.constants})) or "none"
            raise FormulaError(
                f"the formula uses the name {name}, which is neither an input nor a constant "
                f"(known names: {known})"
            )

    def _read_call(self, call: ast.Call, depth: int) -> None:
        name = call.func.id if isinstance(call.func, ast.Name) else _excerpt(call.func)
        if name not in FUNCTIONS:
            raise FormulaError(
                f"{name} is no function of formulas; the functions are {', '.join(FUNCTIONS)}"
            )
        operation, least, most = FUNCTIONS[name]
        if call.keywords or not least <= len(call.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise FormulaError(f"the function {name} takes {wanted} plain arguments")
        self._apply(operation, call.args, depth)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormulaError(f"`{str(value)[:40]}` is not a number that a formula may hold")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FormulaError("a number of the formula is too large")
    return number


def _excerpt(node: ast.AST) -> str:
    try:
        text = ast.unparse(node)
    except (ValueError, RecursionError):
        text = type(node).__name__
    return text if len(text) <= 40 else f"{text[:40]}…"
