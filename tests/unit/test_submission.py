"""What gateways send: understood, or refused with the place and the reason."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from gateway_site import GATEWAY, at, gateway_document, reading, scan
from hypothesis import given
from hypothesis import strategies as st
from ingest_site import BEGAN_US, MINUTE_US, plan_in

from telemetry.clock import real_monotonic_s
from telemetry.quality import Quality
from telemetry.scan import ScanBlock
from telemetry.submission import (
    ITEMS_MAX,
    Compiled,
    SubmissionError,
    compile_submission,
    read_document,
)
from telemetry.wire import decode_block

PLAN = plan_in(gateway_document())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def compiled(gateway: str = GATEWAY, **document: Any) -> Compiled:
    content = json.dumps({"site": "mine", **document}).encode()
    return compile_submission(read_document(content), PLAN, gateway)


def blocks(found: Compiled) -> list[ScanBlock]:
    return [decode_block(content) for content in found.contents]


def complaints(**document: Any) -> list[tuple[str, str]]:
    return [(one.place, one.message) for one in compiled(**document).complaints]


def test_scans_become_a_block_in_the_order_of_time() -> None:
    found = compiled(scans=[scan(3, crack=7.5, tilt=1), scan(1, crack=5.0), scan(2, tilt=None)])

    (block,) = blocks(found)
    assert (block.site, block.group, block.in_order) == ("mine", "cracks", False)
    assert block.layout == PLAN.group_by_key["cracks"].layout
    assert (block.sampled_us - BEGAN_US).tolist() == [n * MINUTE_US for n in (1, 2, 3)]
    np.testing.assert_array_equal(block.raw, [[5.0, np.nan], [np.nan, np.nan], [7.5, 1.0]])
    none, good = Quality.NO_VALUE, Quality.GOOD
    assert block.quality.tolist() == [[good, none], [none, none], [good, good]]
    assert (found.scans, found.complaint_count) == (3, 0)


def test_readings_of_one_instant_become_one_scan() -> None:
    found = compiled(
        readings=[reading(1, "crack", 5.0), reading(2, "crack", 6.0), reading(1, "tilt", 0.5)]
    )

    (block,) = blocks(found)
    np.testing.assert_array_equal(block.raw, [[5.0, 0.5], [6.0, np.nan]])


def test_an_offset_is_the_same_instant() -> None:
    there = scan(1, crack=5.0) | {"time": "2025-07-01T08:01:00+08:00"}
    (block,) = blocks(compiled(scans=[there, scan(1, tilt=1.0)]))

    assert (block.sampled_us - BEGAN_US).tolist() == [MINUTE_US]


def test_other_numbers_for_one_instant_stay_apart_and_equal_ones_do_not() -> None:
    found = compiled(scans=[scan(1, crack=5.0), scan(1, crack=6.0, tilt=1.0), scan(1, crack=5.0)])

    (block,) = blocks(found)
    np.testing.assert_array_equal(block.raw, [[5.0, np.nan], [6.0, 1.0]])


def test_contradictions_have_an_end() -> None:
    found = complaints(scans=[scan(1, crack=float(n)) for n in range(10)])

    assert [place for place, _ in found] == ["scans.8", "scans.9"]


def test_many_scans_become_several_blocks() -> None:
    found = compiled(scans=[scan(n, crack=1.0) for n in range(1000)])

    assert [len(block.sampled_us) for block in blocks(found)] == [512, 488]


@pytest.mark.parametrize(
    ("item", "place", "message"),
    [
        ({"time": "2026-01-01T00:00:00"}, "time", "is no instant with a time zone"),
        ({"time": "yesterday"}, "time", "is no instant with a time zone"),
        ({"time": 1735689600}, "time", "is no instant with a time zone"),
        (
            {"time": "0001-01-01T00:00:00+23:59"},
            "",
            "",
        ),  # An instant; wild, but that is judged later.
        ({"group": "levels"}, "group", "is not on a bus of the kind gateway"),
        ({"group": "sums"}, "group", "is not on a bus of the kind gateway"),
        ({"group": "nowhere"}, "group", "no scan group 'nowhere'"),
        ({"group": ["cracks"]}, "group", "no scan group"),
        ({"values": {}}, "values", "must be an object of 1 to 128"),
        ({"values": [1.0]}, "values", "must be an object of 1 to 128"),
        ({"values": {"pond": 1.0}}, "values.'pond'", "has no such channel"),
        ({"values": {"crack": "1.0"}}, "values.crack", "'1.0' is no number"),
        ({"values": {"crack": True}}, "values.crack", "True is no number"),
        ({"values": {"crack": 10**400}}, "values.crack", "is no number"),
        ({"values": {"crack": {}}}, "values.crack", "{} is no number"),
        ({"extra": 1}, "'extra'", "is not known"),
    ],
)
def test_a_wrong_item_is_named_by_its_place(item: dict[str, Any], place: str, message: str) -> None:
    found = compiled(scans=[scan(1, crack=1.0), scan(2, crack=2.0) | item])

    told = [(one.place, one.message) for one in found.complaints]
    assert [one for one, _ in told] == ([f"scans.1.{place}"] if place else [])
    assert all(message in one for _, one in told)
    assert found.scans == 2 - len(told)


def test_a_wrong_reading_is_named_by_its_place() -> None:
    wrong = [reading(1, "pond", 1.0), reading(1, "nothing", 1.0), {"channel": "crack"}, 5]

    assert [place for place, _ in complaints(readings=wrong)] == [
        "readings.0.channel",
        "readings.1.channel",
        "readings.2.time",
        "readings.2.value",
        "readings.3",
    ]


def test_another_gateway_may_send_nothing_of_this_one() -> None:
    (complaint,) = compiled("dam-edge", scans=[scan(1, crack=1.0)]).complaints

    assert complaint.kind == "forbidden"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "not an object"),
        (b'{"site": "mine"}', "either 'scans' or 'readings'"),
        (b'{"site": "mine", "scans": [], "readings": []}', "either 'scans' or 'readings'"),
        (b'{"site": "mine", "scans": []}', "list of 1 to"),
        (b'{"site": "mine", "scans": {}}', "list of 1 to"),
        (b'{"site": 1, "scans": [1]}', "site: must be"),
        (b'{"site": "mine", "scans": [1], "partial": 1}', "partial: must be"),
        (b'{"site": "mine", "scans": [1], "more": 1}', "'more' is not known"),
        (b'{"site": "a", "site": "b", "scans": [1]}', "'site' stands twice"),
        (b'{"site": "mine", "scans": [NaN]}', "NaN is no number"),
        (b'{"a":' + b"[" * 100_000, "nested deeper"),
        (b'{"a":' + b'{"a":' * 8 + b"1" + b"}" * 9, "nested deeper"),
        (b"1" * 5000, "no JSON"),
        (b'{"site": "mine", "scans": [' + b"1," * ITEMS_MAX + b"1]}", "list of 1 to"),
        (b" " * (5 << 20), "more than"),
    ],
    ids=range(17),
)
def test_a_document_that_cannot_be_read_says_why(content: bytes, message: str) -> None:
    with pytest.raises(SubmissionError, match=message):
        read_document(content)


def test_a_document_of_many_keys_is_refused_as_fast_as_others() -> None:
    """Gateways are strangers: one who sends a key twice holds up nobody else."""
    keys = ",".join(f'"{number}":1' for number in range(30_000))
    began_s = real_monotonic_s()

    with pytest.raises(SubmissionError, match="'29999' stands twice"):
        read_document(f'{{{keys},"29999":1}}'.encode())

    assert real_monotonic_s() - began_s < 10.0  # Counting each key by itself took 25 s.


@given(content=st.binary(max_size=200) | ANYTHING.map(lambda one: json.dumps(one).encode()))
def test_any_bytes_are_a_document_or_an_error(content: bytes) -> None:
    with suppress(SubmissionError):
        read_document(content)


@given(
    items=st.lists(
        ANYTHING
        | st.fixed_dictionaries(
            {"group": ANYTHING | st.just("cracks"), "time": ANYTHING | st.just(at(1))},
            optional={
                "values": ANYTHING
                | st.dictionaries(st.sampled_from(["crack", "tilt", "pond"]), ANYTHING, max_size=3)
            },
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_item_is_taken_whole_or_named(items: list[Any]) -> None:
    try:
        document = read_document(json.dumps({"site": "mine", "scans": items}).encode())
    except SubmissionError:
        return  # Nested too deep, or a number that JSON has not.
    found = compile_submission(document, PLAN, GATEWAY)

    assert all(block.group == "cracks" for block in blocks(found))
    named = {int(one.place.split(".")[1]) for one in found.complaints}
    assert found.scans <= len(items) - len(named)
