"""One Sparkplug B node and the devices behind it: births, data, deaths, and what was missed.

After the Eclipse Sparkplug specification 3.0.0, clauses 5 (operational behaviour) and 6. Pure:
messages and time come as arguments, requests go out as commands.

- A birth tells names, aliases and values; nothing is known before it. Without one, or when the
  sequence 0-255 shows a gap, the node is asked for it (NCMD Node Control/Rebirth). Until it
  comes, only what a message itself says is taken.
- A death that carries another bdSeq than the birth is of an older session: nobody has died, but
  the node is asked, and nothing is trusted until it answers.
- Retained messages are passed over: births are not retained, and an old one would lie.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.message_reading import Command, GroupScans, Message, Reading
from edge_agent.sparkplug_group import MS_US, Cell, SparkplugGroup
from telemetry.json_values import INSTANT_MOST_US, number_in, shown
from telemetry.plan import GroupPlan
from telemetry.quality import Quality
from telemetry.sparkplug import (
    BIRTH_NUMBER,
    NAMESPACE,
    QUALITY_GOOD,
    QUALITY_STALE,
    SEQUENCE,
    Metric,
    Payload,
    SparkplugError,
    decode_payload,
    number_of,
    rebirth_request,
)

ASK_AGAIN_LEAST_S: Final = 10.0
ASK_AGAIN_MOST_S: Final = 300.0
COMPLAINTS_MAX: Final = 8
SEQUENCED: Final = frozenset({"NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH"})
BIRTHS: Final = frozenset({"NBIRTH", "DBIRTH"})
DEATHS: Final = frozenset({"NDEATH", "DDEATH"})
KINDS: Final = SEQUENCED | DEATHS


@dataclass(frozen=True, slots=True)
class _Known:
    """What a birth told about a metric, for later messages that leave it out."""

    device: str | None
    name: str
    datatype: int


class SparkplugNode:
    """Reads the messages of one node; see the docstring of this file."""

    def __init__(self, group: str, node: str, plans: Sequence[GroupPlan]) -> None:
        self._prefix = f"{NAMESPACE}/{group}"
        self._node = node
        self._groups = [SparkplugGroup(plan) for plan in plans]
        self._by_alias: dict[int, _Known] = {}
        self._by_name: dict[tuple[str | None, str], _Known] = {}
        self._is_alive = False
        self._is_complete = False  # Nothing was missed since the birth.
        self._birth_number: int | None = None
        self._seq: int | None = None
        self._wants_birth = False
        self._ask_pause_s = ASK_AGAIN_LEAST_S
        self._asked_s = -math.inf

    @property
    def topics(self) -> tuple[str, ...]:
        """Everything that the node and its devices say."""
        return (f"{self._prefix}/+/{self._node}/#",)

    def read(self, message: Message, now_s: float) -> Reading:  # noqa: ARG002
        """Read a message of the node or one of its devices."""
        _, _, kind, _, *behind = message.topic.split("/", 4)
        if kind not in KINDS or message.retained:
            return Reading()
        device = behind[0] if behind else None
        try:
            payload = decode_payload(message.payload)
        except SparkplugError as error:
            return self._unreadable(kind, device, message, error)
        if kind in SEQUENCED and not message.again:
            self._follow(payload.seq, begins=kind == "NBIRTH")
        if kind in DEATHS:
            return self._died(kind, device, payload, message)
        if kind == "NBIRTH" and not message.again:
            self._begin(payload)
        if kind in BIRTHS:
            return self._born(device, payload, message)
        return self._told(device, payload, message)

    def connected(self, at_us: int, now_s: float) -> None:  # noqa: ARG002
        """Ask for a birth: nobody knows what was missed."""
        self._is_complete = False
        self._wants_birth = True
        self._ask_pause_s = ASK_AGAIN_LEAST_S
        for group in self._groups:
            group.begin(at_us)

    def disconnected(self, at_us: int) -> tuple[GroupScans, ...]:
        """Say that nothing is known while nobody can tell us."""
        self._is_complete = False
        return _all(group.held(at_us, Quality.NO_CONNECTION) for group in self._groups)

    def held(self, at_us: int) -> tuple[GroupScans, ...]:
        """Say again what holds, where the node has been silent: it tells only what changes."""
        return _all(group.held(at_us, self._why_unread(group)) for group in self._groups)

    def commands(self, at_us: int, now_s: float) -> tuple[Command, ...]:
        """Ask for a birth where one is needed; more and more seldom while none comes."""
        if not self._wants_birth or now_s - self._asked_s < self._ask_pause_s:
            return ()
        if self._asked_s > -math.inf:
            self._ask_pause_s = min(2 * self._ask_pause_s, ASK_AGAIN_MOST_S)
        self._asked_s = now_s
        topic = f"{self._prefix}/NCMD/{self._node}"
        return (Command(topic, rebirth_request(at_us // MS_US)),)

    def _follow(self, seq: int | None, *, begins: bool) -> None:
        """Watch the sequence; a gap means that something is missing."""
        expected = None if self._seq is None else (self._seq + 1) % SEQUENCE
        self._seq = seq
        if begins:
            self._is_complete = True
        elif self._is_complete and (seq is None or seq != expected):
            self._is_complete = False
            self._wants_birth = True

    def _begin(self, payload: Payload) -> None:
        """Take the birth of the node: whatever was known is forgotten."""
        self._is_alive = True
        self._wants_birth = False
        self._ask_pause_s = ASK_AGAIN_LEAST_S
        self._by_alias.clear()
        self._by_name.clear()
        self._birth_number = _birth_number_in(payload)
        for group in self._groups:
            group.is_born = False  # Devices are born anew after their node.

    def _born(self, device: str | None, payload: Payload, message: Message) -> Reading:
        if not self._is_alive:
            self._wants_birth = True  # A device's birth before its node's.
        for metric in payload.metrics:
            if metric.name is not None and metric.datatype is not None:
                known = _Known(device, metric.name, metric.datatype)
                self._by_name[device, metric.name] = known
                if metric.alias is not None:
                    self._by_alias[metric.alias] = known
        stamp_us = _instant(payload.timestamp_ms, message.received_us)
        scans: list[GroupScans] = []
        complaints: list[str] = []
        for group in self._groups_of(device):
            cells: dict[str, Cell] = {}
            for metric in payload.metrics:
                known_as = self._known(metric, device)
                if known_as is not None and known_as.name in group.names:
                    cells[known_as.name] = _cell(metric, known_as, message, complaints)
            missing = sorted(group.names - set(cells))
            if missing:
                complaints.append(_not_in_birth(message, group, missing))
            scans += group.born(cells, stamp_us, message.received_us)
        return Reading(tuple(scans), tuple(complaints[:COMPLAINTS_MAX]))

    def _told(self, device: str | None, payload: Payload, message: Message) -> Reading:
        if not self._is_alive:
            self._wants_birth = True
        of_payload_us = _instant(payload.timestamp_ms, message.received_us)
        # By instant and whether of the past; the past first, so that what holds now comes last.
        at: dict[tuple[bool, int], list[tuple[Metric, _Known]]] = {}
        for metric in payload.metrics:
            known = self._known(metric, device)
            if known is None:
                if metric.name is None or any(metric.name in one.names for one in self._groups):
                    self._wants_birth = True  # Which metric, or of which type, nobody has said.
                continue
            stamp_us = _instant(metric.timestamp_ms, of_payload_us)
            at.setdefault((not metric.is_historical, stamp_us), []).append((metric, known))
        scans: list[GroupScans] = []
        complaints: list[str] = []
        for group in self._groups_of(device):
            if not group.is_born:
                self._wants_birth = True
            for (is_of_now, stamp_us), metrics in sorted(at.items(), key=lambda one: one[0]):
                cells = {
                    known.name: _cell(metric, known, message, complaints)
                    for metric, known in metrics
                    if known.name in group.names
                }
                if not cells:
                    continue
                if is_of_now:
                    complete = self._why_unread(group) is None and not message.again
                    scans += group.told(cells, stamp_us, message.received_us, complete=complete)
                else:
                    scans += group.told_of_the_past(cells, stamp_us, message.received_us)
        return Reading(tuple(scans), tuple(complaints[:COMPLAINTS_MAX]))

    def _died(
        self, kind: str, device: str | None, payload: Payload | None, message: Message
    ) -> Reading:
        """Take a death; of the node, if it is of the session that its birth began."""
        if kind == "DDEATH":
            groups = self._groups_of(device)
            return Reading(_all(group.died(message.received_us) for group in groups))
        number = None if payload is None else _birth_number_in(payload)
        if None not in {number, self._birth_number} and number != self._birth_number:
            # The will of a session that has ended long ago; or of a node that counts wrongly, as
            # some libraries do. Whoever is alive answers.
            self._is_complete = False
            self._wants_birth = True
            return Reading()
        self._is_alive = False
        self._is_complete = False
        self._seq = None
        self._wants_birth = False  # It will be born by itself.
        return Reading(_all(group.died(message.received_us) for group in self._groups))

    def _unreadable(
        self, kind: str, device: str | None, message: Message, error: SparkplugError
    ) -> Reading:
        """Pass over what cannot be read, but take no chances: it may have told anything."""
        complaint = f"the message on {message.topic} cannot be read: {error}"
        scans = self._died(kind, device, None, message).scans if kind in DEATHS else ()
        if kind in SEQUENCED:
            self._is_complete = False
            self._wants_birth = True
        return Reading(scans, (complaint,))

    def _groups_of(self, device: str | None) -> list[SparkplugGroup]:
        return [group for group in self._groups if group.device == device]

    def _known(self, metric: Metric, device: str | None) -> _Known | None:
        """Find out which metric this is: by its alias, or by its name."""
        if metric.name is None:
            known = None if metric.alias is None else self._by_alias.get(metric.alias)
            return known if known is not None and known.device == device else None
        known = self._by_name.get((device, metric.name))
        if metric.datatype is None:
            return known
        return _Known(device, metric.name, metric.datatype)

    def _why_unread(self, group: SparkplugGroup) -> Quality | None:
        """Tell why nothing is known of a group; None when what it told last holds."""
        if not (self._is_alive and group.is_born):
            return Quality.NO_CONNECTION
        return None if self._is_complete else Quality.NO_REPLY


def _cell(metric: Metric, known: _Known, message: Message, complaints: list[str]) -> Cell:
    """Read the value of a metric, and how far it can be trusted."""
    if metric.quality is not None and metric.quality != QUALITY_GOOD:
        stale = metric.quality == QUALITY_STALE
        return math.nan, Quality.NO_REPLY if stale else Quality.DEVICE_ERROR
    if metric.is_null:
        return math.nan, Quality.NO_VALUE
    if metric.value is not None:
        number = number_in(number_of(metric.value, known.datatype))
        if number is not None:
            return number
    told = "nothing that can be a number" if metric.value is None else shown(metric.value)
    complaints.append(
        f"the message on {message.topic} has {told} in the metric {known.name} (data type "
        f"{known.datatype}); correct `field` in the site file, or let the node publish a number"
    )
    return math.nan, Quality.DEVICE_ERROR


def _not_in_birth(message: Message, group: SparkplugGroup, missing: Sequence[str]) -> str:
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return (
        f"the birth on {message.topic} has no metric {', '.join(missing[:5])}{more}, which the "
        f"scan group {group.plan.key} needs; correct `field` in the site file, or the node"
    )


def _birth_number_in(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if metric.name == BIRTH_NUMBER and isinstance(metric.value, int):
            return metric.value
    return None


def _instant(timestamp_ms: int | None, otherwise_us: int) -> int:
    if timestamp_ms is None or timestamp_ms * MS_US >= INSTANT_MOST_US:
        return otherwise_us
    return timestamp_ms * MS_US


def _all(parts: Iterable[Sequence[GroupScans]]) -> tuple[GroupScans, ...]:
    return tuple(one for part in parts for one in part)
