"""What a probe found, in lines for people: the likeliest reading, and what else it could be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge_agent.plausibility import AMBIGUOUS_BITS, Decoding, Findings, find_plausible
from edge_agent.probing import TableRead
from telemetry.device_profiles import shipped_profile, shipped_profiles
from telemetry.register import BIT_TABLES, Register, Table
from telemetry.site import Point, Profile

SCALES: Final = (1.0, 0.1, 0.01, 0.001)
SHOWN_VALUES: Final = 4
SHOWN_OTHERS: Final = 4
# Of a profile's points, how many must fit for it to be told; of what is there, how much it must be.
FITTING_SHARE: Final = 0.8

# What is often measured, and between which numbers it usually lies.
LIKENESSES: Final[tuple[tuple[str, str, float, float], ...]] = (
    ("a vibrating wire", "Hz", 400.0, 6_500.0),
    ("a temperature", "°C", -40.0, 85.0),
    ("a thermistor", "Ω", 500.0, 60_000.0),
    ("a supply", "V", 3.0, 30.0),
    ("air pressure", "kPa", 60.0, 110.0),
)


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """Registers of one table, and what can be said about them."""

    read: TableRead
    findings: Findings | None  # None for a table of bits: there is nothing to find out.


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A shipped profile, and how well its points fit what was read."""

    profile: Profile
    fitting: int
    lacks_bits: float  # Of its points, the mean of what they lack against the best reading.
    explains: float  # Of the registers that show anything, the share that its points are about.

    @property
    def is_whole(self) -> bool:
        """Whether every point fits."""
        return self.fitting == len(self.profile.points)

    @property
    def is_convincing(self) -> bool:
        """Whether it may be taken for the device's own map."""
        explains_enough = self.explains >= FITTING_SHARE
        return self.is_whole and explains_enough and self.lacks_bits < AMBIGUOUS_BITS


def examine(reads: Sequence[TableRead]) -> list[Probed]:
    """Find the plausible readings of everything that was read.

    Many devices show the same registers in both tables; those are told once.
    """
    told: list[Probed] = []
    for read in reads:
        if any(_shows_the_same(read, other.read) for other in told):
            continue
        is_bits = read.table in BIT_TABLES
        told.append(Probed(read, None if is_bits else find_plausible(read.words, read.first)))
    return told


def fits(probed: Sequence[Probed]) -> list[Fit]:
    """Find shipped profiles whose every register is there and shows a plausible number."""
    found: list[Fit] = []
    for name in shipped_profiles():
        profile = shipped_profile(name)
        lacking = [_lack(point, probed) for point in profile.points]
        fitting = [lack for lack in lacking if lack is not None]
        if len(fitting) >= FITTING_SHARE * len(lacking):
            lacks_bits = float(np.mean(fitting))
            found.append(Fit(profile, len(fitting), lacks_bits, _explains(profile, probed)))
    # Of maps that fit as well, the one that explains more.
    return sorted(found, key=lambda one: (not one.is_whole, -one.fitting, one.lacks_bits))


def report(probed: Sequence[Probed], fitting: Sequence[Fit]) -> list[str]:
    """Say everything, table by table and register by register."""
    lines: list[str] = []
    for one in probed:
        last = one.read.end - 1
        lines += ["", f"{one.read.table} {one.read.first} to {last}, {len(one.read.words)} reads"]
        if one.findings is None:
            lines += [f"  bits now: {''.join(map(str, one.read.words[-1]))}"]
        else:
            for chosen in one.findings.best:
                lines += _about(chosen, one.findings)
    lines.append("")
    if not fitting:
        lines.append("No shipped profile fits; `groundwatch profiles` lists them.")
    for fit in fitting:
        points = len(fit.profile.points)
        lines.append(
            f"The profile {fit.profile.id} fits in {fit.fitting} of {points} points: "
            f"{fit.profile.maker}, {fit.profile.model}."
        )
    return lines


def undecided(probed: Sequence[Probed]) -> list[tuple[Table, Decoding]]:
    """List the registers about which the numbers alone do not decide."""
    return [
        (one.read.table, chosen)
        for one in probed
        if one.findings is not None
        for chosen in one.findings.best
        if not one.findings.is_decided(chosen)
    ]


def _shows_the_same(read: TableRead, other: TableRead) -> bool:
    same_kind = (read.table in BIT_TABLES) == (other.table in BIT_TABLES)
    return same_kind and read.first == other.first and np.array_equal(read.words, other.words)


def _explains(profile: Profile, probed: Sequence[Probed]) -> float:
    """What share of the registers that are not always 0 the points of a profile are about."""
    explained = {
        address
        for point in profile.points
        for address in range(point.register_.address, point.register_.end)
    }
    shown = {
        one.read.first + n
        for one in probed
        if one.findings is not None
        for n in np.flatnonzero(one.read.words.any(axis=0)).tolist()
    }
    return len(explained & shown) / max(1, len(shown))


def _about(chosen: Decoding, findings: Findings) -> Iterator[str]:
    span = f"{chosen.address}" if chosen.words == 1 else f"{chosen.address}-{chosen.end - 1}"
    same = f" (or {', '.join(chosen.same_as)})" if chosen.same_as and chosen.values.any() else ""
    yield f"  {span:>9}  {chosen.name}{same}: {_shown(chosen)}  [{chosen.reasons()}]"
    if not chosen.values.any():
        return
    scaled = _scales(chosen)
    if scaled:
        yield f"{'':13}{scaled}"
    rivals = findings.rivals(chosen)
    if rivals:
        yield f"{'':13}! numbers alone do not decide here; as plausible:"
    shown = rivals or [one for one in findings.others if one.address == chosen.address][:1]
    for other in shown[:SHOWN_OTHERS]:
        lacks = f"{other.lacks_bits:.0f} bits less plausible"
        yield f"{'':13}  {other.address}: {other.kind}: {_shown(other)}  [{lacks}]"


def _shown(one: Decoding) -> str:
    if one.text is not None:
        return repr(one.text)
    return " ".join(f"{value:.7g}" for value in one.values[:SHOWN_VALUES])


def _scales(chosen: Decoding) -> str:
    """Say what a whole number would be at the usual scales."""
    is_whole = chosen.text is None and not chosen.type.startswith("float")
    middle = float(np.median(chosen.values))
    if not is_whole or not middle or abs(middle) >= 1e7:
        return ""
    told: list[str] = []
    for scale in SCALES:
        value = middle * scale
        like = [f"{what} in {unit}" for what, unit, low, high in LIKENESSES if low <= value <= high]
        told.append(f"x{scale:g} = {value:g}" + (f" ({' or '.join(like[:2])}?)" if like else ""))
    return "scale unknown: " + ", ".join(told)


def _lack(point: Point, probed: Sequence[Probed]) -> float | None:
    """How much a point lacks in plausibility; None when it does not fit at all."""
    register = point.register_
    for one in probed:
        if one.findings is None or not _is_table(one.read.table, register.table, probed):
            continue
        for decoding in (*one.findings.best, *one.findings.others):
            if _is_of(decoding, register):
                raw = decoding.values * register.scale + register.offset
                return decoding.lacks_bits if _is_within(point, raw) else None
    return None


def _is_table(table: Table, wanted: Table, probed: Sequence[Probed]) -> bool:
    """Tell whether a table is the wanted one, or stands for it because both show the same."""
    return table == wanted or not any(one.read.table == wanted for one in probed)


def _is_of(decoding: Decoding, register: Register) -> bool:
    kinds = {one.split()[0] if decoding.words == 1 else one for one in decoding.same_as}
    kinds.add(decoding.type if decoding.words == 1 else decoding.kind)
    wanted = register.type if register.words == 1 else f"{register.type} {register.byte_order}"
    return decoding.address == register.address and wanted in kinds


def _is_within(point: Point, raw: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    bounds = [point.electrical_range] + ([point.range] if point.conversion is None else [])
    known = [one for one in bounds if one is not None]
    return all(bool(((raw >= low) & (raw <= high)).all()) for low, high in known)
