"""A JSON message as scans, by the mapping that the site file gives.

A message is one scan, or holds a list of them (`rows`). What it says is taken as far as it goes:
a field that holds no number is a bad reading beside good ones. Whatever could not be taken is
complained about in a sentence that names the topic, the field and the remedy, so that whoever
reads messages can keep it aside.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.json_values import (
    MISSING,
    Path,
    column_of,
    found_at,
    instant_in,
    path_of,
    shown,
)
from telemetry.plan import GroupPlan
from telemetry.quality import Quality
from telemetry.site import Channel, ScanGroup
from telemetry.sources import JsonMessage

MESSAGE_BYTES_MAX: Final = 1 << 20
ROWS_MAX: Final = 10_000  # More than two hours of one a second.
COMPLAINTS_MAX: Final = 8
NO_OFFSET: Final = "; if it names no offset from UTC, set utc_offset_h"


class MessageError(Exception):
    """Nothing in a message can be used; the message of the error is a sentence that says why."""


@dataclass(frozen=True, slots=True, eq=False)
class MessageScans:
    """What a message says about one scan group."""

    sampled_us: NDArray[np.int64]  # [scan]
    raw: NDArray[np.float64]  # [scan, slot], NaN where nothing was said
    quality: NDArray[np.int16]  # [scan, slot]
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Field:
    text: str  # As the site file writes it.
    path: Path
    channel: str
    slot: int


class JsonDecoder:
    """Reads the messages of one scan group."""

    def __init__(self, plan: GroupPlan) -> None:
        """Take a group whose message is JSON."""
        assert isinstance(plan.group, ScanGroup)
        assert isinstance(plan.group.message, JsonMessage)
        self.message = plan.group.message
        self._rows = None if self.message.rows is None else path_of(self.message.rows)
        self._time = None if self.message.time is None else path_of(self.message.time)
        self._slots = plan.slot_count
        self._fields: list[_Field] = []
        for one in plan.channels:
            assert isinstance(one.channel, Channel)
            assert one.channel.field is not None
            field = one.channel.field
            self._fields.append(_Field(field, path_of(field), one.key, one.slot))

    def decode(self, topic: str, payload: bytes, received_us: int) -> MessageScans:
        """Read a message; raise `MessageError` when nothing in it can be used."""
        rows = rows_of(topic, parsed(topic, payload), self.message.rows, self._rows)
        columns = [[found_at(one.path, row) for row in rows] for one in self._fields]
        told = [any(value is not MISSING for value in row) for row in zip(*columns, strict=True)]
        complaints: list[str] = []
        if not all(told):
            complaints.append(self._nothing_told(topic))
        sampled_us, known, suspect = self._instants(topic, rows, received_us, complaints)
        raw = np.full((len(rows), self._slots), np.nan)
        quality = np.full((len(rows), self._slots), Quality.NO_VALUE, np.int16)
        for one, values in zip(self._fields, columns, strict=True):
            raw[:, one.slot], quality[:, one.slot], wrong = column_of(values)
            if wrong is not None:
                complaints.append(_no_number(topic, one, values[wrong]))
        quality[suspect & (quality == Quality.GOOD)] = Quality.CLOCK_SUSPECT
        taken = known & np.array(told, np.bool_)
        if not taken.any():
            raise MessageError("; ".join(complaints[:COMPLAINTS_MAX]))
        return MessageScans(
            sampled_us[taken], raw[taken], quality[taken], tuple(complaints[:COMPLAINTS_MAX])
        )

    def _instants(
        self, topic: str, rows: Sequence[object], received_us: int, complaints: list[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], bool]:
        """Find each row's instant and whether it has one; also whether that is a guess.

        A single scan without a readable instant is as of its arrival: a dead clock must not
        blind a dam. Of several, nobody could tell which was when.
        """
        sampled_us = np.full(len(rows), received_us, np.int64)
        known = np.ones(len(rows), np.bool_)
        if self._time is None:
            return sampled_us, known, False
        values = [found_at(self._time, row) for row in rows]
        for n, value in enumerate(values):
            at_us = instant_in(value, self.message)
            known[n] = at_us is not None
            sampled_us[n] = received_us if at_us is None else at_us
        if known.all():
            return sampled_us, known, False
        wrong = values[int(np.argmin(known))]
        hint = NO_OFFSET if self.message.time_format == "iso8601" else ""
        complaints.append(
            f"the message on {topic} has {shown(wrong)} in the field {self.message.time}, which "
            f"is no instant as {self.message.time_format}; correct `time` or `time_format` in "
            f"the site file, or the device{hint}"
        )
        if self._rows is None:
            return sampled_us, np.ones(1, np.bool_), True
        return sampled_us, known, False

    def _nothing_told(self, topic: str) -> str:
        fields = ", ".join(one.text for one in self._fields[:5])
        more = ", ..." if len(self._fields) > 5 else ""
        return (
            f"the message on {topic} has none of the fields {fields}{more}; "
            "correct `field` of the channels in the site file, or the topic"
        )


def rows_of(
    topic: str, document: object, text: str | None, path: Path | None, what: str = "scan"
) -> Sequence[object]:
    """Find what a message tells: one thing, or the list at a path; raise `MessageError` if none."""
    if path is None:
        return [document]
    rows = found_at(path, document)
    if not isinstance(rows, list):
        raise MessageError(
            f"the message on {topic} has {shown(rows)} where the field {text} "
            f"should be a list of {what}s; correct `rows` in the site file, or the device"
        )
    if len(rows) > ROWS_MAX:
        raise MessageError(
            f"the message on {topic} has {len(rows)} {what}s in {text}, more than "
            f"{ROWS_MAX}; let the device publish more often"
        )
    if not rows:
        raise MessageError(
            f"the message on {topic} has no {what} in {text}; "
            "let the device publish only when there is something to say"
        )
    return rows


def parsed(topic: str, payload: bytes) -> object:
    """Read a message's bytes as JSON, or raise `MessageError`."""
    if len(payload) > MESSAGE_BYTES_MAX:
        raise MessageError(
            f"the message on {topic} has {len(payload)} bytes, more than {MESSAGE_BYTES_MAX}; "
            "let the device publish less at a time"
        )
    try:
        # Not msgspec, which refuses the NaN and Infinity that many devices write.
        document: object = json.loads(payload)
    except (ValueError, RecursionError) as error:  # Also what is not UTF-8.
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise MessageError(
            f"the message on {topic} is no JSON: {reason[:200]}; correct the topic in the site "
            "file if another device publishes there, or the device"
        ) from None
    return document


def _no_number(topic: str, field: _Field, value: object) -> str:
    return (
        f"the message on {topic} has {shown(value)} in the field {field.text} (channel "
        f"{field.channel}), which is no number; correct `field` in the site file, or let the "
        "device publish a number"
    )
