"""JSON messages as scans: what is taken, what is a bad reading, and what is complained about."""

import json
import math
from typing import Any

import numpy as np
import pytest
from mqtt_plans import mqtt_plan

from telemetry.json_message import ROWS_MAX, JsonDecoder, MessageError, MessageScans
from telemetry.json_values import PathError, path_of
from telemetry.quality import Quality

ARRIVED_US = 1_760_000_000_000_000
AT_US = 1_751_328_000_000_000  # 2025-07-01T00:00:00Z
STAMPED = {"kind": "json", "topic": "dam/1", "time": "t", "time_format": "unix_us"}


def decoded(
    payload: object, fields: list[str] | dict[int, str], message: dict[str, Any] = STAMPED
) -> MessageScans:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return JsonDecoder(mqtt_plan(fields, message)).decode("dam/1", content, ARRIVED_US)


def one(value: object) -> tuple[float, int, tuple[str, ...]]:
    """What becomes of a value beside a good one."""
    found = decoded({"t": AT_US, "p": value, "q": 1}, ["p", "q"])
    assert found.raw[0, 1] == 1
    assert found.quality[0, 1] == Quality.GOOD
    return found.raw[0, 0], found.quality[0, 0], found.complaints


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (12, 12.0),
        (-0.5, -0.5),
        ("12.5", 12.5),
        (" +1e3 ", 1000.0),
        (".5", 0.5),
        (True, 1.0),
        (False, 0.0),
        ("TRUE", 1.0),
        (2**63, 2.0**63),
    ],
)
def test_numbers_are_taken_however_they_are_written(value: object, raw: float) -> None:
    assert one(value) == (raw, Quality.GOOD, ())


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        (None, Quality.NO_VALUE),
        ("NaN", Quality.NO_VALUE),
        ("", Quality.NO_VALUE),
        ("---", Quality.NO_VALUE),
        (math.nan, Quality.NOT_FINITE),
        (-math.inf, Quality.NOT_FINITE),
        ("1e999", Quality.NOT_FINITE),
    ],
)
def test_no_value_is_a_bad_reading_and_no_error(value: object, quality: Quality) -> None:
    raw, found, complaints = one(value)
    assert math.isnan(raw)
    assert (found, complaints) == (quality, ())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("12 kPa", "'12 kPa'"),
        ("12,5", "'12,5'"),
        ("1_000", "'1_000'"),
        ("0x10", "'0x10'"),
        ("inf", "'inf'"),
        ([1], "a list of 1"),
        ({"a": 1}, "an object of 1"),
        (10**400, "a number of 1329 bits"),
        ("x" * 1000, f"'{'x' * 36}..."),
    ],
)
def test_what_is_no_number_is_bad_and_is_told_with_its_place(value: object, shown: str) -> None:
    raw, quality, complaints = one(value)
    assert math.isnan(raw)
    assert quality == Quality.DEVICE_ERROR
    (complaint,) = complaints
    assert complaint.startswith(
        f"the message on dam/1 has {shown} in the field p (channel group-0)"
    )
    assert "correct `field`" in complaint


def test_slots_without_a_channel_and_fields_that_are_not_there_have_no_value() -> None:
    found = decoded({"t": AT_US, "p": 1}, {0: "p", 2: "not-there"})
    assert found.quality.tolist() == [[Quality.GOOD, Quality.NO_VALUE, Quality.NO_VALUE]]
    assert np.isnan(found.raw[0, 1:]).all()
    assert found.complaints == ()


def test_fields_are_found_by_paths() -> None:
    document = {"t": AT_US, "a": {"b": [{"c.d": 1}, 2]}, "0": 3, "x/y": {"~": 4}}
    fields = ["/a/b/0/c.d", "a.b.1", "0", "/x~1y/~0", "a.b.2", "a.b.-1"]
    found = decoded(document, fields)
    assert found.raw[0, :4].tolist() == [1, 2, 3, 4]
    assert (found.quality[0, 4:] == Quality.NO_VALUE).all()


def test_a_message_may_be_a_number_itself() -> None:
    found = decoded(b" 12.5\n", ["."], {"kind": "json", "topic": "dam/1"})
    assert found.raw.tolist() == [[12.5]]
    assert found.sampled_us.tolist() == [ARRIVED_US]
    assert found.quality.tolist() == [[Quality.GOOD]]


@pytest.mark.parametrize("text", ["a..b", ".a", "a."])
def test_a_path_with_an_empty_step_is_refused(text: str) -> None:
    with pytest.raises(PathError, match="empty step"):
        path_of(text)


def test_a_list_of_scans_is_taken_row_by_row() -> None:
    rows = [{"t": AT_US + n, "p": n, "q": None if n == 1 else -n} for n in (2, 0, 1)]
    found = decoded({"data": {"rows": rows}}, ["p", "q"], STAMPED | {"rows": "data.rows"})
    assert found.sampled_us.tolist() == [AT_US + 2, AT_US, AT_US + 1]
    assert found.raw[:, 0].tolist() == [2, 0, 1]
    assert found.quality[:, 1].tolist() == [0, 0, Quality.NO_VALUE]


def test_rows_may_be_lists_and_the_message_a_list() -> None:
    message = STAMPED | {"rows": ".", "time": "0"}
    found = decoded([[AT_US, 1], [AT_US + 1, 2]], ["1"], message)
    assert found.raw.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("time_format", "value"),
    [
        ("iso8601", "2025-07-01T00:00:00Z"),
        ("iso8601", "2025-07-01 08:00:00+08:00"),
        ("iso8601", "2025-07-01T00:00:00.000000000Z"),
        ("unix_s", 1_751_328_000),
        ("unix_s", 1_751_328_000.0),
        ("unix_s", "1751328000"),
        ("unix_ms", 1_751_328_000_000),
        ("unix_us", 1_751_328_000_000_000),
        ("unix_ns", 1_751_328_000_000_000_999),
    ],
)
def test_instants_are_read_in_their_format(time_format: str, value: object) -> None:
    found = decoded({"t": value, "p": 1}, ["p"], STAMPED | {"time_format": time_format})
    assert found.sampled_us.tolist() == [AT_US]
    assert found.complaints == ()


def test_a_fraction_of_a_second_is_kept() -> None:
    found = decoded({"t": 1751328000.123456, "p": 1}, ["p"], STAMPED | {"time_format": "unix_s"})
    assert found.sampled_us.tolist() == [AT_US + 123_456]


def test_instants_without_an_offset_need_one_in_the_site_file() -> None:
    local = {"t": "2025-07-01T08:00:00", "p": 1}
    iso = STAMPED | {"time_format": "iso8601"}
    assert decoded(local, ["p"], iso | {"utc_offset_h": 8}).sampled_us.tolist() == [AT_US]
    found = decoded(local, ["p"], iso)
    assert "set utc_offset_h" in found.complaints[0]
    assert found.sampled_us.tolist() == [ARRIVED_US]


@pytest.mark.parametrize(
    "value", [None, "yesterday", "2025-07-01", -1, True, "true", 1e300, [], 2**62]
)
def test_a_dead_clock_blinds_nobody(value: object) -> None:
    for time_format in ("iso8601", "unix_us"):
        message = STAMPED | {"time_format": time_format}
        found = decoded({"t": value, "p": 7, "q": None}, ["p", "q"], message)
        assert found.sampled_us.tolist() == [ARRIVED_US]
        assert found.raw[0, 0] == 7
        assert found.quality.tolist() == [[Quality.CLOCK_SUSPECT, Quality.NO_VALUE]]
        assert "in the field t, which is no instant" in found.complaints[0]


def test_of_several_scans_those_without_an_instant_are_left_out() -> None:
    rows = [{"t": AT_US, "p": 1}, {"t": "?", "p": 2}, {"p": 3}]
    found = decoded(rows, ["p"], STAMPED | {"rows": "."})
    assert found.raw.tolist() == [[1]]
    assert len(found.complaints) == 1
    with pytest.raises(MessageError, match="no instant as unix_us"):
        decoded(rows[1:], ["p"], STAMPED | {"rows": "."})


def test_rows_that_say_nothing_are_left_out() -> None:
    rows = [{"t": AT_US, "p": 1}, {"t": AT_US + 1}, 7]
    found = decoded(rows, ["p"], STAMPED | {"rows": "."})
    assert found.raw.tolist() == [[1]]
    assert "none of the fields p;" in found.complaints[0]


@pytest.mark.parametrize(
    ("payload", "fields", "rows", "what"),
    [
        (b"", ["p"], None, "is no JSON"),
        (b"{", ["p"], None, "is no JSON"),
        (b"\xff\xfe\x00", ["p"], None, "is no JSON"),
        (b"[" * 100_000, ["p"], None, "nested too deeply"),
        (b"9" * 100_000, ["."], None, "is no JSON"),
        (b" " * (1 << 20) + b"1", ["."], None, "1048577 bytes"),
        ({"p": 1}, ["q"], None, "none of the fields q;"),
        ({"p": 1}, ["p"], "rows", "nothing where the field rows"),
        ({"rows": {}}, ["p"], "rows", "an object of 0 where the field rows"),
        ({"rows": []}, ["p"], "rows", "no scan in rows"),
        ({"rows": [0] * (ROWS_MAX + 1)}, ["p"], "rows", "10001 scans in rows"),
    ],
)
def test_a_message_without_anything_usable_says_why(
    payload: object, fields: list[str], rows: str | None, what: str
) -> None:
    with pytest.raises(MessageError) as caught:
        decoded(payload, fields, STAMPED | {"rows": rows})
    assert "dam/1" in str(caught.value)
    assert what in str(caught.value)
