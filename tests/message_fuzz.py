"""What the fuzzers of messages share: damage to valid ones, and what must hold of all scans."""

import numpy as np
from hypothesis import strategies as st

from telemetry.json_message import MessageScans
from telemetry.quality import FIRST_BAD, Quality

ARRIVED_US = 1_760_000_000_000_000
MEMORY_MAX = 192 << 20  # For a message of at most a megabyte.


def check_scans(scans: MessageScans) -> None:
    """A good reading is a number, a bad one is none; every row has an instant."""
    count = len(scans.sampled_us)
    assert count > 0
    assert scans.raw.shape == scans.quality.shape == (count, scans.raw.shape[1])
    good = scans.quality < FIRST_BAD
    assert np.isfinite(scans.raw[good]).all()
    assert np.isnan(scans.raw[~good]).all()
    assert set(np.unique(scans.quality)) <= set(Quality)
    assert ((scans.sampled_us >= 0) & (scans.sampled_us < 1 << 62)).all()
    assert sum(map(len, scans.complaints)) < 8_000


def mutated(valid: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Change a valid message: cut something out, put something in."""
    for begin, length, new in changes:
        at = begin % (len(valid) + 1)
        valid = valid[:at] + new + valid[at + length :]
    return valid


CHANGES = st.lists(
    st.tuples(st.integers(0, 4_000), st.integers(0, 9), st.binary(max_size=9)),
    min_size=1,
    max_size=6,
)
