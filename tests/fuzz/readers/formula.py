"""Formulas of calculated channels: arithmetic, or a sentence; never code, never a long wait."""

import random
from collections.abc import Iterator

import numpy as np
from fuzz.target import Change, Target, check_sentence

from telemetry.formula import CHARACTERS_MAX, FUNCTIONS, FormulaError, parse, why_not_a_name

NAMES = ("a", "b", "pond")
CONSTANTS = {"g": 9.81, "k": -0.5}
COLUMN = [0.0, -1.5, 1e308, np.inf, -np.inf, np.nan, 3.0, 1e-320]
COLUMNS = {
    "a": np.array(COLUMN),
    "b": np.array(COLUMN[::-1]),
    "pond": np.roll(np.array(COLUMN), 3),
}


def read(data: bytes) -> str:
    text = text_of(data)
    for word in text[:CHARACTERS_MAX].split()[:3]:
        reason = why_not_a_name(word)
        if reason is None:
            assert parse(word, [word]).evaluate({word: [1.5]}).tolist() == [1.5]
        else:
            check_sentence(reason)
    try:
        formula = parse(text, NAMES, CONSTANTS)
    except FormulaError as error:
        check_sentence(error)
        return "refused"
    assert formula.names <= set(NAMES)
    whole = formula.evaluate(COLUMNS)
    assert whole.dtype == np.float64
    assert whole.shape == ((len(COLUMN),) if formula.names else ())
    if not formula.names:
        return "constant"
    cut = [
        formula.evaluate({name: column[part] for name, column in COLUMNS.items()})
        for part in (slice(0, 3), slice(3, 4), slice(4, None))
    ]
    assert np.concatenate(cut).tobytes() == whole.tobytes(), "a cut of the rows is seen"
    if " if " not in text and "if" not in text:
        missing = np.any([np.isnan(COLUMNS[name]) for name in formula.names], axis=0)
        assert np.isnan(whole[missing]).all(), "a missing operand was made up"
    return "evaluated"


def text_of(data: bytes) -> str:
    """A text, with half a character in it where the bytes say so."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def seeds() -> Iterator[bytes]:
    for text in (
        *("a - b", "pond * g + k", "a if pond > 3 and not b else -b", "min(a, b, 3) ** 2 % 7"),
        *("atan2(a, b) + hypot(a, b)", "1e308 * 10", "(a < b) + (a >= b) + (a == b) + (a != b)"),
        *(
            "a ** 0 + 1 ** b",
            "a or b",
            "9 ** 9 ** 9 ** 9",
            "(" * 200 + "a" + ")" * 200,
            "-" * 499 + "a",
            "a\n+ b",
        ),
        *("__import__('os')", "a.b", "a[0]", "lambda: a", "a < b < 3", "[a for a in b]", "f'{a}'"),
        *("1_000 * 0x1f", "1if a else b", "a # b", "True", "1j", "(a := b)", "9" * 500, "水", "№"),
    ):
        yield text.encode()
    for name, (_, least, _) in FUNCTIONS.items():
        yield f"{name}({', '.join(['a', 'b', 'k'][:least])})".encode()


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    """Put words beside each other, and a formula into a formula."""
    words = data.split(b" ")
    at, other = chance.randrange(len(words)), chance.randrange(len(words))
    match chance.randrange(5):
        case 0:
            words[at] = chance.choice(WORDS)
        case 1:
            words.insert(at, chance.choice(WORDS))
        case 2:
            words[at] = b"(" + data + b")"
        case 3:
            words[at], words[other] = words[other], words[at]
        case _:
            words[at] = change(words[at])
    return b" ".join(words)


WORDS = (
    *(
        b"+",
        b"-",
        b"*",
        b"/",
        b"**",
        b"%",
        b"//",
        b"<",
        b"<=",
        b"==",
        b"!=",
        b"(",
        b")",
        b",",
        b"|",
    ),
    *(
        b"and",
        b"or",
        b"not",
        b"if",
        b"else",
        b"a",
        b"b",
        b"pond",
        b"g",
        b"k",
        b"1e400",
        b"0",
        b"1e9",
    ),
    *(f"{name}(".encode() for name in FUNCTIONS),
    *(b"\\N{", b"'", b'"""', b"\xef\xbc\x88", b"0_0", b"lambda", b"await", b"\x0c", b"\\\n"),
)
TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("evaluated", "constant", "refused"),
    words=WORDS,
    mutated=mutated,
    bytes_max=1_024,
    short_runs=800,
)
