"""The recurrences over readings that an engine uses: plain, or compiled where Numba is installed.

Both say the same to the last bit (`alarms.plain_recurrences` says what), so it is a matter of speed
and memory alone: Numba takes a second to load, and a hundred megabytes. Back-tests ask for the
fastest. The flush stays with the plain ones: it seldom sees many rounds at once.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from alarms import plain_recurrences as plain
from alarms.plain_recurrences import Column, Matrix


class Recurrences(NamedTuple):
    """The functions of `alarms.plain_recurrences` that go from reading to reading."""

    smoothed_means: Callable[..., Matrix]
    sums: Callable[..., Matrix]
    page_hinkley_sums: Callable[..., tuple[Matrix, Matrix, Column]]


PLAIN = Recurrences(plain.smoothed_means, plain.sums, plain.page_hinkley_sums)


def fastest() -> Recurrences:
    """Return the compiled ones where they can be had (`pip install groundwatch[fast]`)."""
    if find_spec("numba") is None:
        return PLAIN
    from alarms import compiled_recurrences as compiled  # noqa: PLC0415 - a second, and memory

    return Recurrences(compiled.smoothed_means, compiled.sums, compiled.page_hinkley_sums)
