"""Readings as other people's gateways send them, in JSON: from untrusted bytes to blocks of scans.

    {"site": "mine", "scans": [{"group": "levels", "time": "2026-01-01T00:00:00Z",
                                "values": {"pond": 12.5, "toe": null}}]}
    {"site": "mine", "readings": [{"channel": "pond", "time": "…", "value": 12.5}]}

Numbers are raw, before conversion; null says that there is none. Whatever is wrong is named by
its place, and nothing is stored of a submission with something wrong in it, unless it says
`"partial": true`. Readings of one group and instant become one scan, so that they are judged
together; a second number for the same channel and instant goes into a scan of its own, and the
store decides what to make of it.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np

from telemetry.clock import instant_us
from telemetry.plan import ChannelPlan, GroupPlan, SitePlan
from telemetry.quality import Quality
from telemetry.scan import ScanBlock
from telemetry.site import Channel, ScanGroup
from telemetry.wire import SCANS_MAX, encode_block

CONTENT_BYTES_MAX: Final = 4 << 20  # Unpacked.
NESTING_MAX: Final = 8  # A right document needs 4: itself, its list, an item, its values.
ITEMS_MAX: Final = 10_000  # Scans, or readings; rows of one group are counted in an int2.
VALUES_MAX: Final = 128  # Of a scan: it has no more slots.
CONTRADICTIONS_MAX: Final = 8  # Different numbers for one channel and instant.
COMPLAINTS_MAX: Final = 20  # The others are only counted.
SHOWN_CHARACTERS: Final = 80

_STRINGS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_KEYS: Final = frozenset({"site", "scans", "readings", "partial"})
_SCAN_KEYS: Final = frozenset({"group", "time", "values"})
_READING_KEYS: Final = frozenset({"channel", "time", "value"})

Row = dict[int, float]  # By slot.


class SubmissionError(Exception):
    """A document that can't be read at all; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with one item."""

    place: str  # Like scans.3.values.pond
    message: str
    kind: Literal["invalid", "forbidden"] = "invalid"


@dataclass(frozen=True, slots=True)
class Document:
    """A submission as far as it can be read without knowing the site."""

    site: str
    partial: bool
    form: Literal["scans", "readings"]
    items: list[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What a gateway's submission says to its site."""

    contents: tuple[bytes, ...]  # Blocks, in the order of time within each group.
    scans: int
    complaints: tuple[Complaint, ...]  # The first of them.
    complaint_count: int


def read_document(content: bytes) -> Document:
    """Read a document of any site, or raise `SubmissionError`."""
    if len(content) > CONTENT_BYTES_MAX:
        raise SubmissionError(f"the document holds more than {CONTENT_BYTES_MAX} bytes")
    try:
        text = content.decode("utf-8")
        if _nesting(text) > NESTING_MAX:
            raise SubmissionError(f"the document is nested deeper than {NESTING_MAX}")
        found = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"the document is no JSON: {str(error)[:200]}") from error
    if not isinstance(found, dict):
        raise SubmissionError("the document is not an object with 'site' and 'scans'")
    return _document_of(found)


def compile_submission(document: Document, plan: SitePlan, gateway: str) -> Compiled:
    """Turn a document into blocks of the gateway's own groups, and complaints about the rest."""
    compiling = _Compiling(plan, _groups_of(plan, gateway), gateway)
    for n, item in enumerate(document.items):
        place = f"{document.form}.{n}"
        if document.form == "scans":
            compiling.take_scan(place, item)
        else:
            compiling.take_reading(place, item)
    contents = tuple(
        encode_block(block)
        for key in sorted(compiling.rows)
        for block in _blocks_of(plan, plan.group_by_key[key], compiling.rows[key])
    )
    return Compiled(
        contents=contents,
        scans=sum(len(rows) for one in compiling.rows.values() for rows in one.values()),
        complaints=tuple(compiling.complaints[:COMPLAINTS_MAX]),
        complaint_count=len(compiling.complaints),
    )


@dataclass(slots=True, eq=False)
class _Compiling:
    """A submission on its way: rows by group and instant, and what was wrong."""

    plan: SitePlan
    groups: dict[str, GroupPlan]  # That the gateway may send for.
    gateway: str
    rows: defaultdict[str, defaultdict[int, list[Row]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    complaints: list[Complaint] = field(default_factory=list)

    def take_scan(self, place: str, item: Any) -> None:  # noqa: ANN401 - any JSON
        """Take one of `scans`: all of it, or nothing."""
        if not self._has_keys(place, item, _SCAN_KEYS):
            return
        group = self._group(f"{place}.group", item["group"])
        at_us = self._instant(f"{place}.time", item["time"])
        values = item["values"]
        if not isinstance(values, dict) or not 1 <= len(values) <= VALUES_MAX:
            self._complain(f"{place}.values", f"must be an object of 1 to {VALUES_MAX} channels")
            return
        if group is None or at_us is None:
            return
        slots = {one.key: one for one in group.channels}
        row: dict[int, float | None] = {}
        for key, value in values.items():
            channel = slots.get(key)
            if channel is None:
                where = f"{place}.values.{_shown(key)}"
                self._complain(where, f"scan group '{group.key}' has no such channel")
            elif self._is_number(f"{place}.values.{key}", value):
                row[channel.slot] = None if value is None else float(value)
        if len(row) == len(values):
            self._put(place, group, at_us, row)

    def take_reading(self, place: str, item: Any) -> None:  # noqa: ANN401 - any JSON
        """Take one of `readings`."""
        if not self._has_keys(place, item, _READING_KEYS):
            return
        channel = self._channel(f"{place}.channel", item["channel"])
        at_us = self._instant(f"{place}.time", item["time"])
        value = item["value"]
        if not self._is_number(f"{place}.value", value) or channel is None or at_us is None:
            return
        group = self.plan.groups[channel.group]
        self._put(place, group, at_us, {channel.slot: None if value is None else float(value)})

    def _put(self, place: str, group: GroupPlan, at_us: int, row: dict[int, float | None]) -> None:
        """Put numbers into the first row of their instant that has room for all of them."""
        rows = self.rows[group.key][at_us]
        for one in rows:
            if all(
                one.get(slot, value) == value for slot, value in row.items() if value is not None
            ):
                break
        else:
            if len(rows) >= CONTRADICTIONS_MAX:
                self._complain(place, f"is one of more than {CONTRADICTIONS_MAX} for one instant")
                return
            one = {}
            rows.append(one)
        one.update({slot: value for slot, value in row.items() if value is not None})

    def _has_keys(self, place: str, item: Any, keys: frozenset[str]) -> bool:  # noqa: ANN401
        if not isinstance(item, dict):
            self._complain(place, f"must be an object with {', '.join(sorted(keys))}")
            return False
        for key in sorted(keys - item.keys()):
            self._complain(f"{place}.{key}", "is missing")
        for key in sorted(item.keys() - keys):
            self._complain(
                f"{place}.{_shown(key)}", f"is not known; allowed: {', '.join(sorted(keys))}"
            )
        return item.keys() == keys

    def _group(self, place: str, key: Any) -> GroupPlan | None:  # noqa: ANN401 - any JSON
        group = self.plan.group_by_key.get(key) if isinstance(key, str) else None
        if group is None:
            self._complain(place, f"the site has no scan group {_shown(key)}")
        elif key not in self.groups:
            self._forbid(place, f"scan group '{key}'")
            return None
        return group

    def _channel(self, place: str, key: Any) -> ChannelPlan | None:  # noqa: ANN401 - any JSON
        channel = self.plan.channel_by_key.get(key) if isinstance(key, str) else None
        if channel is None:
            self._complain(place, f"the site has no channel {_shown(key)}")
        elif not isinstance(channel.channel, Channel) or (
            self.plan.groups[channel.group].key not in self.groups
        ):
            self._forbid(place, f"channel '{key}'")
            return None
        return channel

    def _instant(self, place: str, text: Any) -> int | None:  # noqa: ANN401 - any JSON
        try:
            if isinstance(text, str) and len(text) <= SHOWN_CHARACTERS:
                return instant_us(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            pass
        message = "is no instant with a time zone, like 2026-01-01T00:00:00Z"
        self._complain(place, f"{_shown(text)} {message}")
        return None

    def _is_number(self, place: str, value: Any) -> bool:  # noqa: ANN401 - any JSON
        if value is None:
            return True
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                if math.isfinite(float(value)):
                    return True
            except OverflowError:
                pass
        self._complain(place, f"{_shown(value)} is no number; null stands for none")
        return False

    def _forbid(self, place: str, what: str) -> None:
        message = f"{what} is not on a bus of the kind gateway of '{self.gateway}'"
        self.complaints.append(Complaint(place, message, "forbidden"))

    def _complain(self, place: str, message: str) -> None:
        self.complaints.append(Complaint(place, message))


def _document_of(found: dict[str, Any]) -> Document:
    unknown = sorted(found.keys() - _KEYS)
    if unknown:
        allowed = ", ".join(sorted(_KEYS))
        raise SubmissionError(f"{_shown(unknown[0])} is not known; allowed: {allowed}")
    site, partial = found.get("site"), found.get("partial", False)
    if not isinstance(site, str):
        raise SubmissionError("site: must be the id of a site")
    if not isinstance(partial, bool):
        raise SubmissionError("partial: must be true or false")
    if ("scans" in found) == ("readings" in found):
        raise SubmissionError("the document must have either 'scans' or 'readings'")
    form: Literal["scans", "readings"] = "scans" if "scans" in found else "readings"
    items = found[form]
    if not isinstance(items, list) or not 1 <= len(items) <= ITEMS_MAX:
        raise SubmissionError(f"{form}: must be a list of 1 to {ITEMS_MAX}")
    return Document(site=site, partial=partial, form=form, items=items)


def _groups_of(plan: SitePlan, gateway: str) -> dict[str, GroupPlan]:
    """Find the groups on a gateway's own buses."""
    buses = {bus.id for bus in plan.site.buses if bus.gateway is not None and bus.edge == gateway}
    return {
        group.key: group
        for group in plan.groups
        if isinstance(group.group, ScanGroup) and group.group.bus in buses
    }


def _blocks_of(
    plan: SitePlan, group: GroupPlan, rows_at: dict[int, list[Row]]
) -> Iterator[ScanBlock]:
    rows = [(at_us, row) for at_us in sorted(rows_at) for row in rows_at[at_us]]
    for begin in range(0, len(rows), SCANS_MAX):
        part = rows[begin : begin + SCANS_MAX]
        raw = np.full((len(part), group.slot_count), np.nan)
        for n, (_, row) in enumerate(part):
            raw[n, list(row)] = list(row.values())
        yield ScanBlock(
            site=plan.site.site,
            group=group.key,
            layout=group.layout,
            sampled_us=np.array([at_us for at_us, _ in part], np.int64),
            monotonic_us=np.zeros(len(part), np.int64),  # Nobody tells a clock that never steps.
            raw=raw,
            quality=np.where(np.isnan(raw), Quality.NO_VALUE, Quality.GOOD).astype(np.int16),
            in_order=False,
        )


def _nesting(text: str) -> int:
    """Count how deep a text of JSON is nested, before anybody follows it down.

    >>> _nesting('{"a": ["[[[", {}]}')
    3
    """
    marks = np.frombuffer(_STRINGS.sub("", text).encode("utf-8"), np.uint8)
    steps = np.isin(marks, [0x5B, 0x7B]).astype(np.int64) - np.isin(marks, [0x5D, 0x7D])
    return int(np.cumsum(steps).max(initial=0))


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        repeated = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"the key {_shown(repeated)} stands twice in one object")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number; null stands for none")


def _shown(value: object) -> str:
    """Show somebody else's value, shortened and without signs that a log or a store can't hold."""
    text = ascii(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
