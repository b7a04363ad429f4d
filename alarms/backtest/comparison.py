"""The difference between two back-tests of one history: added, removed and moved alarms."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alarms.backtest.lives import AlarmLife

ENDLESS_US = 2**62
Pair = tuple[AlarmLife, AlarmLife]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What another configuration would have told otherwise."""

    same: int  # Raised at the same instant, and as bad at their worst.
    moved: list[
        Pair
    ]  # About the same and at the same time, but raised otherwise, or of other level.
    removed: list[AlarmLife]  # Only in the first.
    added: list[AlarmLife]  # Only in the other.

    @property
    def by_channel(self) -> dict[str, Counter[str]]:
        """How many alarms of each channel were moved, removed and added."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for word, lives in (
            ("moved", [first for first, _ in self.moved]),
            ("removed", self.removed),
            ("added", self.added),
        ):
            for life in lives:
                counts[life.channel][word] += 1
        return dict(sorted(counts.items()))


def compare(first: Iterable[AlarmLife], other: Iterable[AlarmLife]) -> Comparison:
    """Pair the alarms of two back-tests, channel by channel and rule by rule."""
    of_first, of_other = _by_subject(first), _by_subject(other)
    same, moved, removed, added = 0, list[Pair](), list[AlarmLife](), list[AlarmLife]()
    for about in sorted(of_first.keys() | of_other.keys()):
        pairs, gone, new = _paired(of_first.get(about, []), of_other.get(about, []))
        removed += gone
        added += new
        for one, two in pairs:
            if one.raised_us == two.raised_us and one.worst == two.worst:
                same += 1
            else:
                moved.append((one, two))
    return Comparison(same, _sorted_pairs(moved), _sorted(removed), _sorted(added))


def _by_subject(lives: Iterable[AlarmLife]) -> dict[tuple[str, str], list[AlarmLife]]:
    found: dict[tuple[str, str], list[AlarmLife]] = defaultdict(list)
    for life in lives:
        found[life.channel, life.rule].append(life)
    return {about: _sorted(of) for about, of in found.items()}


def _paired(
    first: Sequence[AlarmLife], other: Sequence[AlarmLife]
) -> tuple[list[Pair], list[AlarmLife], list[AlarmLife]]:
    """Pair lives that stood at the same time, each at most once, in the order of their raises.

    Of one subject at most one alarm stands at a time, so both lists are without overlap.
    """
    pairs: list[Pair] = []
    alone: tuple[list[AlarmLife], list[AlarmLife]] = ([], [])
    n = m = 0
    while n < len(first) and m < len(other):
        one, two = first[n], other[m]
        if _end_us(one) < two.raised_us:
            alone[0].append(one)
            n += 1
        elif _end_us(two) < one.raised_us:
            alone[1].append(two)
            m += 1
        else:
            pairs.append((one, two))
            n, m = n + 1, m + 1
    return pairs, [*alone[0], *first[n:]], [*alone[1], *other[m:]]


def _end_us(life: AlarmLife) -> int:
    return ENDLESS_US if life.ended_us is None else life.ended_us


def _sorted(lives: Iterable[AlarmLife]) -> list[AlarmLife]:
    return sorted(lives, key=lambda one: (one.raised_us, one.channel, one.rule))


def _sorted_pairs(pairs: Iterable[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda one: (one[0].raised_us, one[0].channel, one[0].rule))
