"""Which arrival can't be stored, and when it is not the arrivals' fault."""

from uuid import UUID

import psycopg
import pytest
from psycopg import errors

from ingest.inbox import Arrival, Stream
from ingest.narrowing import ARRIVALS_MAX, PAUSES_S, Narrowing, is_stores_own
from telemetry.ranges import RangeSet
from telemetry.uplink import BlockReceived

STREAM = Stream("mine", "dam-edge", UUID(int=1), 1, RangeSet())
BLOCKS = [Arrival(STREAM, BlockReceived(seq, b"", b""), 0, 0.0) for seq in range(1, 9)]


def failed_alone_twice() -> Narrowing:
    narrowing = Narrowing()
    for arrivals in (BLOCKS, BLOCKS[:4], BLOCKS[:2], BLOCKS[:1], BLOCKS[:1]):
        assert narrowing.arrivals_max >= len(arrivals)
        narrowing.failed(arrivals, 0.0, blameless=False)
    return narrowing


def test_halves_until_one_has_failed_alone_twice_and_the_control_has_not() -> None:
    narrowing = failed_alone_twice()
    assert (narrowing.arrivals_max, narrowing.must_flush) == (0, True)
    assert narrowing.condemned is None

    narrowing.stored()

    assert narrowing.condemned is BLOCKS[0]
    assert narrowing.arrivals_max == 1
    narrowing.stored()
    assert narrowing.condemned is None
    assert narrowing.arrivals_max == 2


def test_a_control_that_fails_acquits() -> None:
    narrowing = failed_alone_twice()
    narrowing.failed([], 0.0, blameless=False)
    assert narrowing.arrivals_max == 0

    narrowing.stored()

    assert narrowing.condemned is None
    assert narrowing.arrivals_max == 1


def test_what_is_the_stores_own_fault_narrows_nothing_and_is_waited_out() -> None:
    narrowing = Narrowing()
    for pause_s in (*PAUSES_S, PAUSES_S[-1]):
        narrowing.failed(BLOCKS[:1], 100.0, blameless=True)
        assert narrowing.retry_s == 100.0 + pause_s
    assert narrowing.arrivals_max == ARRIVALS_MAX
    assert narrowing.stands_apart

    narrowing.stored()
    assert not narrowing.stands_apart
    narrowing.failed(BLOCKS[:1], 100.0, blameless=True)
    assert narrowing.retry_s == 100.0


def test_a_block_that_not_even_quarantine_takes_is_tried_again_with_pauses() -> None:
    narrowing = failed_alone_twice()
    narrowing.stored()
    for _ in range(3):
        narrowing.failed(BLOCKS[:1], 100.0, blameless=False)

    assert narrowing.condemned is BLOCKS[0]
    assert narrowing.retry_s == 100.0 + PAUSES_S[2]


@pytest.mark.parametrize(
    ("error", "stores_own"),
    [
        (errors.QueryCanceled(), False),  # A smaller flush may be in time.
        (errors.RaiseException(), False),
        (errors.NumericValueOutOfRange(), False),
        (errors.CheckViolation(), False),
        (ValueError(), False),
        (psycopg.DataError(), False),
        (errors.LockNotAvailable(), True),
        (errors.DiskFull(), True),
        (errors.DeadlockDetected(), True),
        (errors.InsufficientPrivilege(), True),
        (errors.UndefinedTable(), True),
        (errors.ReadOnlySqlTransaction(), True),
    ],
)
def test_whose_fault(error: Exception, stores_own: bool) -> None:
    assert is_stores_own(error) is stores_own
