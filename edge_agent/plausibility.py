"""Plausibility: which types and byte orders the registers of an unknown device may have.

Words are read several times. Each way of reading them, as numbers of some type in some byte
order, is a model that says how likely they were: numbers of a sensible size are likelier than
others, and so are numbers that move a little from read to read, or not at all. What a model says
is counted in bits of evidence against words that mean nothing. The best division of a stretch
into numbers is the one with the most evidence; every other way is told by how many bits it
lacks. Twenty bits are a million to one, and under seven nobody should decide by numbers alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.registers import NUMBERS

AMBIGUOUS_BITS: Final = 7.0
SHOWN_BITS: Final = 25.0  # Who lacks more is not worth a line.
ORDERS: Final = ("ABCD", "CDAB", "BADC", "DCBA")
TEXT_WORDS: Final = range(2, 17)
# How rare a way is among devices, in bits: what the numbers say outweighs it soon.
RARITY: Final = {"ABCD": 0.0, "CDAB": 0.5, "BADC": 2.0, "DCBA": 2.0}
TYPE_RARITY: Final = {
    "int32": 3.0,
    "uint32": 3.0,
    "float64": 3.0,
    "int64": 8.0,
    "uint64": 8.0,
    "text": 8.0,
}
SWAPPED_WORD_RARITY: Final = 8.0
SENSIBLE: Final = (1e-3, 1e7)  # Sizes of measured numbers; counters are whole and may be larger.
CONCEIVABLE: Final = (1e-9, 1e12)
DECIMALS: Final = range(4)  # That loggers round to, before they write a float.
ZERO_SHARE: Final = 0.15  # Of all registers, how many are unused.
KIN_BITS: Final = 4.0  # For a way in which other registers of the device are read beyond doubt.
MOVED: Final = 0.95  # Of the numbers of a channel that moves, how many do from read to read.

Words = NDArray[np.uint16]  # [read, register]
Floats = NDArray[np.float64]
SIZES: Final = {name: int(code[2:]) // 2 for name, code in NUMBERS.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Decoding:
    """One way of reading some registers."""

    address: int
    words: int
    type: str
    byte_order: str
    values: Floats  # [read]; of a text NaN, unless it is a number in digits.
    evidence_bits: float
    lacks_bits: float = 0.0  # Against the best way to read the stretch.
    same_as: tuple[str, ...] = ()  # Other types that show the same numbers.
    text: str | None = None

    @property
    def name(self) -> str:
        """The type and, where it matters, the byte order."""
        return self.type if self.words == 1 and self.byte_order == "ABCD" else self.kind

    @property
    def kind(self) -> str:
        """The type and the byte order."""
        return self.type if self.type == "text" else f"{self.type} {self.byte_order}"

    @property
    def end(self) -> int:
        """The address after the last register."""
        return self.address + self.words

    def reasons(self) -> str:
        """Say why the numbers are plausible, or what is against them."""
        if self.text is not None:
            return f"reads {self.text!r}"
        if not self.values.any():
            return "always 0, which says nothing"
        if not np.isfinite(self.values).all():
            return "not always a number"
        sizes = np.abs(self.values[self.values != 0.0])
        sensible = (sizes >= SENSIBLE[0]).all() and (sizes < SENSIBLE[1]).all()
        size = "a sensible size" if sensible else "an odd size"
        steps = np.abs(np.diff(self.values))
        if not steps.any():
            return f"{size}, never moves"
        share = float(steps.max() / np.abs(self.values).max())
        return f"{size}, moves by {share:.2g} of itself" if share < 1.0 else f"{size}, leaps"


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What can be said about a stretch."""

    best: tuple[Decoding, ...]  # One after the other, each register once.
    others: tuple[Decoding, ...]  # By address, and by what they lack.

    def rivals(self, chosen: Decoding) -> list[Decoding]:
        """Other numbers that these registers may just as well be."""
        return [
            one
            for one in self.others
            if one.lacks_bits < AMBIGUOUS_BITS
            and one.address < chosen.end
            and chosen.address < one.end
        ]

    def is_decided(self, chosen: Decoding) -> bool:
        """Whether the numbers decide; all zeros never do."""
        return not self.rivals(chosen) and bool(np.any(chosen.values) or chosen.text)


def find_plausible(words: Words, first_address: int = 0) -> Findings:
    """Find the best way to read a stretch of registers, and every other plausible one."""
    assert words.ndim == 2
    decodings = [
        one
        for start in range(words.shape[1])
        for one in _without_doubles(list(_decodings_at(words, start)))
    ]
    alone = _judged(decodings, words.shape[1])
    decided = [one.kind for one in alone.best if one.words > 1 and alone.is_decided(one)]
    kin = {kind for kind in decided if decided.count(kind) >= 2}
    together = [
        replace(one, evidence_bits=one.evidence_bits + KIN_BITS)
        if kin & {one.kind, *one.same_as}
        else one
        for one in decodings
    ]
    found = _judged(together, words.shape[1])
    return Findings(*(_moved(ones, first_address) for ones in (found.best, found.others)))


def _judged(decodings: Sequence[Decoding], count: int) -> Findings:
    """Divide a stretch in the best way, and say of every other how much it lacks."""
    before = _best_sums(count, decodings, lambda one: (one.address, one.end))
    behind = _best_sums(count, decodings, lambda one: (count - one.end, count - one.address))
    judged = [
        replace(
            one,
            lacks_bits=max(
                0.0,
                before[count] - (before[one.address] + one.evidence_bits + behind[count - one.end]),
            ),
        )
        for one in decodings
    ]
    best = _chain(judged, count)
    chosen = {id(one) for one in best}
    others = [one for one in judged if id(one) not in chosen and one.lacks_bits < SHOWN_BITS]
    others.sort(key=lambda one: (one.address, one.lacks_bits))
    return Findings(tuple(best), tuple(others))


def _moved(decodings: Sequence[Decoding], by: int) -> tuple[Decoding, ...]:
    return tuple(replace(one, address=one.address + by) for one in decodings)


def evidence_of(words: Words, type_: str, byte_order: str) -> float:
    """Count the evidence for reading words [read, word] as numbers of a type, in bits."""
    values = numbers_in(words, type_, byte_order)
    with np.errstate(all="ignore"):  # Nonsense overflows, and is found to be nonsense.
        if type_.startswith("float"):
            likelihood = max(_float_likelihood(values, type_), _decimal_likelihood(values, type_))
        else:
            likelihood = _whole_likelihood(values, type_)
    rarity = TYPE_RARITY.get(type_, 0.0)
    rarity += RARITY[byte_order] if words.shape[1] > 1 else 0.0
    if words.shape[1] == 1 and byte_order != "ABCD":
        rarity += SWAPPED_WORD_RARITY
    meaningless = 16.0 * words.size
    return meaningless + likelihood - rarity


def numbers_in(words: Words, type_: str, byte_order: str) -> NDArray[np.generic]:
    """Read words [read, word] as numbers, in the type's own precision."""
    ordered = words[:, ::-1] if byte_order in {"CDAB", "DCBA"} else words
    if byte_order in {"BADC", "DCBA"}:
        ordered = ordered.byteswap()
    numbers: NDArray[np.generic] = np.ascontiguousarray(ordered.astype(">u2")).view(NUMBERS[type_])
    return numbers[:, 0]


def _decodings_at(words: Words, start: int) -> Iterator[Decoding]:
    for type_, size in SIZES.items():
        if start + size > words.shape[1]:
            continue
        here = words[:, start : start + size]
        for order in ORDERS if size > 1 else ("ABCD", "BADC"):
            with np.errstate(invalid="ignore", over="ignore"):
                values = numbers_in(here, type_, order).astype(np.float64)
            yield Decoding(start, size, type_, order, values, evidence_of(here, type_, order))
    for size in TEXT_WORDS:
        if start + size <= words.shape[1]:
            yield from _text_at(words[:, start : start + size], start)


def _text_at(words: Words, start: int) -> Iterator[Decoding]:
    """A text: letters and digits that stay the same, and zeros behind them."""
    content = words[0].astype(">u2").tobytes()
    letters = content.rstrip(b"\0")
    has_neighbours_letters = len(content) - len(letters) > 1
    if (words != words[0]).any() or not letters.isascii() or has_neighbours_letters:
        return
    text = letters.decode("ascii")
    if not text.isprintable() or not any(one.isalpha() for one in text):
        return
    of_letters = 16.0 * words.shape[1] - np.log2(95.0) * 2.0 * words.shape[1]
    staying = 16.0 * words.shape[1] * (len(words) - 1)
    evidence = float(of_letters + staying - TYPE_RARITY["text"])
    nothing = np.full(len(words), np.nan)
    yield Decoding(start, words.shape[1], "text", "ABCD", nothing, evidence, text=text)


def _without_doubles(decodings: Sequence[Decoding]) -> list[Decoding]:
    """Put types together that show the same numbers in the same registers."""
    kept: list[Decoding] = []
    for one in sorted(decodings, key=lambda one: -one.evidence_bits):
        for n, other in enumerate(kept):
            if other.words == one.words and _are_equal(other, one):
                kept[n] = replace(other, same_as=(*other.same_as, one.kind))
                break
        else:
            kept.append(one)
    return kept


def _are_equal(one: Decoding, other: Decoding) -> bool:
    if one.text is not None or other.text is not None:
        return one.text == other.text
    return bool(np.array_equal(one.values, other.values))


def _best_sums(
    count: int, decodings: Sequence[Decoding], span: Callable[[Decoding], tuple[int, int]]
) -> Floats:
    """How much evidence the first n registers can have, for every n."""
    sums = np.full(count + 1, -np.inf)
    sums[0] = 0.0
    for one in sorted(decodings, key=span):
        begin, end = span(one)
        sums[end] = max(sums[end], sums[begin] + one.evidence_bits)
    return sums


def _chain(decodings: Sequence[Decoding], end: int) -> list[Decoding]:
    """Follow the best division from its first register to its last."""
    best: list[Decoding] = []
    begin = 0
    while begin < end:
        here = [one for one in decodings if one.address == begin]
        best.append(min(here, key=lambda one: (one.lacks_bits, -one.evidence_bits)))
        begin = best[-1].end
    return best


def _whole_likelihood(values: NDArray[np.generic], type_: str) -> float:
    """Whole numbers: small ones are likelier, and they move by steps of one size. In bits."""
    bits = 16 * SIZES[type_]
    numbers = values.astype(np.float64)
    is_signed = type_.startswith("int")
    most = 2.0 ** (bits - is_signed)
    sizes = np.abs(numbers) + 16.0
    prior = -np.log2(sizes * np.log((most + 16.0) / 16.0)) - is_signed
    if bits > 16:
        prior -= 0.5 * np.log2(sizes / 16.0)  # Wide ones that are large are counters, and rare.
    prior = np.where(numbers == 0.0, np.log2(ZERO_SHARE), prior)
    steps = np.abs(np.diff(numbers))
    scales = (0.3 * 4.0 ** np.arange(bits // 2))[:, np.newaxis]
    # (1 - r) / (1 + r) for r = exp(-1 / scale), where most of all steps are this large.
    moves = np.log2(np.tanh(0.5 / scales)) - steps / scales * np.log2(np.e)
    return _with_leaps(prior, moves)


def _decimal_likelihood(values: NDArray[np.generic], type_: str) -> float:
    """Floats that a logger has rounded: whole numbers of tenths, hundredths and so on."""
    found = -np.inf
    for decimals in DECIMALS:
        whole = np.rint(values.astype(np.float64) * 10.0**decimals)
        is_exact = (np.abs(whole) < 1e9) & ((whole / 10.0**decimals).astype(values.dtype) == values)
        # Towards the end of a float's precision everything is a whole number of something.
        if is_exact.all() and np.abs(whole).max() < 2.0 ** (20 if type_ == "float32" else 30):
            rounded = _whole_likelihood(whole, "int32") - np.log2(len(DECIMALS)) - 1.0
            found = max(found, rounded)
    return found


def _float_likelihood(values: NDArray[np.generic], type_: str) -> float:
    """Floats: all sensible sizes are as likely, and they move by steps of one size. In bits."""
    mantissa_bits = 23 if type_ == "float32" else 52
    numbers = values.astype(np.float64)
    prior = _log_prior_of_floats(numbers, mantissa_bits)
    apart = np.exp2(np.floor(np.log2(np.abs(numbers))) - mantissa_bits)
    steps = np.abs(np.diff(numbers))
    scales = (1e-6 * 4.0 ** np.arange(25))[:, np.newaxis]
    moves = np.log2(apart[1:] / (2.0 * scales)) - steps / scales * np.log2(np.e)
    moves = np.where(steps == 0.0, np.maximum(moves, np.log2(1.0 - MOVED)), moves)
    moves = np.where(np.isnan(moves), -np.inf, np.minimum(moves, 0.0))
    never_moves = np.where(steps == 0.0, np.log2(MOVED), -np.inf)
    return _with_leaps(prior, np.vstack([moves, never_moves]))


def _log_prior_of_floats(numbers: Floats, mantissa_bits: int) -> Floats:
    sizes = np.abs(numbers)
    octaves = np.log2(SENSIBLE[1] / SENSIBLE[0])
    sensible = (sizes >= SENSIBLE[0]) & (sizes < SENSIBLE[1])
    conceivable = (sizes >= CONCEIVABLE[0]) & (sizes < CONCEIVABLE[1])
    in_bits = np.where(sensible, np.log2(octaves), np.where(conceivable, 10.0, 17.0))
    sign_bits = np.where(numbers < 0.0, 2.0, 0.4)  # Most of what is measured is above 0.
    of_this_size = in_bits + sign_bits + mantissa_bits
    whole = np.where(numbers == 0.0, -np.log2(ZERO_SHARE), of_this_size)
    return np.where(np.isfinite(numbers), -whole, -(mantissa_bits + 30.0))


def _with_leaps(prior: Floats, moves: Floats) -> float:
    """Let a channel leap now and then; take the size of steps [size, step] that suits best."""
    if moves.shape[1] == 0:
        return float(prior[0])
    leap = np.log2(0.05) + prior[1:]
    steady = np.log2(0.95) + moves
    return float(prior[0] + np.logaddexp2(steady, leap).sum(axis=1).max() - 3.0)
