"""A replay reads a bounded part of history at a time, however much its flushes hold."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from historian.replay import stretches

WEIGHTS = st.lists(st.integers(0, 50), max_size=40)


@given(weights=WEIGHTS, most=st.integers(1, 100))
def test_stretches_are_as_long_as_they_may_be(weights: list[int], most: int) -> None:
    flushes = [(3 * n + 1, weight) for n, weight in enumerate(weights)]

    lasts = stretches(flushes, most)

    parts = [
        [weight for flush_id, weight in flushes if after < flush_id <= until]
        for after, until in zip([0, *lasts], lasts, strict=False)
    ]
    assert [weight for part in parts for weight in part] == weights
    assert all(sum(part) <= most or len(part) == 1 for part in parts)
    assert all(sum(part) + following[0] > most for part, following in pairwise(parts))
