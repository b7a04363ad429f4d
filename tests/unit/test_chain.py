"""The journal's chain: intact, or broken at a number."""

import json
import math
from dataclasses import replace

import pytest

from alarms.chain import GENESIS, chain_hash, entry_body, verify
from alarms.transition import AlarmKind, AlarmState, Change, Transition
from telemetry.site import Level

RAISED = Transition(
    key="pond/limit_high/1/raise/blue/2",
    occurrence="pond/limit_high/1",
    change=Change.RAISE,
    kind=AlarmKind.PROCESS,
    structure="dam",
    channel="pond",
    rule="limit_high",
    level=Level.BLUE,
    previous_level=Level.NONE,
    state=AlarmState.UNACKNOWLEDGED,
    sampled_us=2,
    evidence={"value": 101.25, "unit": "m", "source": "设计报告 4.2"},
)


def chained(count: int) -> list[tuple[int, str, bytes]]:
    entries, previous = [], GENESIS
    for number in range(1, count + 1):
        body = entry_body(RAISED, number, 1000 + number)
        previous = chain_hash(previous, body)
        entries.append((number, body, previous))
    return entries


def test_an_entry_is_written_the_same_whatever_the_order_of_its_evidence() -> None:
    turned = replace(RAISED, evidence=dict(reversed(RAISED.evidence.items())))
    assert entry_body(RAISED, 1, 5) == entry_body(turned, 1, 5)
    document = json.loads(entry_body(RAISED, 1, 5))
    assert document["level"] == "blue"
    assert document["stored_us"] == 5
    assert document["evidence"]["source"] == "设计报告 4.2"


def test_what_is_no_number_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        entry_body(replace(RAISED, evidence={"value": math.nan}), 1, 5)


def test_an_untouched_chain_is_whole() -> None:
    assert verify([]) is None
    assert verify(chained(5)) is None


def test_a_later_part_is_verified_from_the_entry_before_it() -> None:
    entries = chained(5)
    assert verify(entries[2:], number=2, previous=entries[1][2]) is None
    assert verify(entries[2:]) == 1


def test_a_changed_entry_breaks_the_chain_there() -> None:
    entries = chained(5)
    entries[2] = (3, entries[2][1].replace("blue", "none"), entries[2][2])
    assert verify(entries) == 3


def test_a_changed_entry_with_its_hash_made_good_breaks_the_next() -> None:
    entries = chained(5)
    body = entries[2][1].replace("blue", "none")
    entries[2] = (3, body, chain_hash(entries[1][2], body))
    assert verify(entries) == 4


def test_a_missing_or_moved_entry_breaks_the_chain() -> None:
    entries = chained(5)
    assert verify(entries[:1] + entries[2:]) == 2
    assert verify([entries[0], entries[2], entries[1]]) == 2


def test_an_entry_whose_text_names_another_number_breaks_the_chain() -> None:
    body = entry_body(RAISED, 7, 5)
    assert verify([(1, body, chain_hash(GENESIS, body))]) == 1
