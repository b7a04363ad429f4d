"""Sets of numbers that mostly follow one another, kept as inclusive ranges.

The numbers of delivered blocks are such a set: after years of delivery it is still one range.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]  # First and last number, both inside.


class RangeSet:
    """A set of integers as sorted ranges that neither overlap nor touch.

    >>> delivered = RangeSet([(1, 4), (5, 9), (20, 20)])
    >>> delivered.to_list()
    [(1, 9), (20, 20)]
    >>> delivered.holes(1, 25)
    [(10, 19), (21, 25)]
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int | None = None) -> None:
        """Put the numbers from first to last in (just first when last is left out)."""
        if last is None:
            last = first
        if last < first:
            raise ValueError(f"the range {first} to {last} runs backwards")
        # Ranges that overlap the new one or touch it melt into it.
        begin = bisect_left(self._lasts, first - 1)
        end = bisect_right(self._firsts, last + 1)
        if begin < end:
            first = min(first, self._firsts[begin])
            last = max(last, self._lasts[end - 1])
        self._firsts[begin:end] = [first]
        self._lasts[begin:end] = [last]

    def remove(self, first: int, last: int | None = None) -> None:
        """Take the numbers from first to last out, those that are in."""
        if last is None:
            last = first
        begin = bisect_left(self._lasts, first)
        end = bisect_right(self._firsts, last)
        if begin >= end:
            return
        rest: list[Range] = []
        if self._firsts[begin] < first:
            rest.append((self._firsts[begin], first - 1))
        if self._lasts[end - 1] > last:
            rest.append((last + 1, self._lasts[end - 1]))
        self._firsts[begin:end] = [one[0] for one in rest]
        self._lasts[begin:end] = [one[1] for one in rest]

    def holes(self, first: int, last: int) -> list[Range]:
        """List the ranges between first and last that are not in the set."""
        holes: list[Range] = []
        position = bisect_left(self._lasts, first)
        while first <= last:
            if position == len(self._firsts) or self._firsts[position] > last:
                holes.append((first, last))
                break
            if self._firsts[position] > first:
                holes.append((first, self._firsts[position] - 1))
            first = self._lasts[position] + 1
            position += 1
        return holes

    def within(self, first: int, last: int) -> list[Range]:
        """List the parts of the set between first and last."""
        return [
            (max(one_first, first), min(one_last, last))
            for one_first, one_last in self
            if one_first <= last and one_last >= first
        ]

    def around(self, first: int, last: int) -> list[Range]:
        """List the ranges that share a number with first to last, as they are."""
        return [one for one in self if one[0] <= last and one[1] >= first]

    def first_absent(self, number: int) -> int:
        """Find the smallest number, from the given one on, that is not in the set."""
        position = bisect_left(self._lasts, number)
        if position < len(self._firsts) and self._firsts[position] <= number:
            return self._lasts[position] + 1
        return number

    def union(self, other: "RangeSet") -> "RangeSet":
        """Make the set of the numbers that are in either."""
        return RangeSet([*self, *other])

    def without(self, other: "RangeSet") -> "RangeSet":
        """Make the set of the numbers that are in this set and not in the other."""
        return RangeSet(hole for first, last in self for hole in other.holes(first, last))

    def copy(self) -> "RangeSet":
        """Make a set of its own with the same numbers."""
        return RangeSet(self)

    @property
    def count(self) -> int:
        """How many numbers are in the set; `len` tells how many ranges."""
        return sum(last - first + 1 for first, last in self)

    @property
    def last(self) -> int | None:
        """The greatest number, or none."""
        return self._lasts[-1] if self._lasts else None

    def to_list(self) -> list[Range]:
        """List the ranges in order."""
        return list(self)

    def __contains__(self, number: int) -> bool:
        position = bisect_left(self._lasts, number)
        return position < len(self._firsts) and self._firsts[position] <= number

    def __iter__(self) -> Iterator[Range]:
        return zip(list(self._firsts), list(self._lasts), strict=True)

    def __len__(self) -> int:
        return len(self._firsts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeSet):
            return NotImplemented
        return self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # It changes, so it can be no key.

    def __repr__(self) -> str:
        return f"RangeSet({self.to_list()})"
