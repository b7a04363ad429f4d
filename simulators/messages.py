"""What a simulated logger publishes at each step: JSON, or a Sparkplug B node with its devices.

Pure: from what a unit's registers hold at a step to topics and bytes. So the numbers are exactly
those that a Modbus client reads.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from simulators.field import Unit
from simulators.mqtt_site import SPARKPLUG_GROUP, TIME_FIELD, topic_of
from simulators.stamping import Telling
from telemetry.sparkplug import (
    BIRTH_NUMBER,
    NAMESPACE,
    REBIRTH,
    SEQUENCE,
    DataType,
    Metric,
    Payload,
    encode_payload,
)

MS_US: Final = 1_000


@dataclass(frozen=True, slots=True)
class Published:
    """One message."""

    topic: str
    payload: bytes
    qos: int


class Publisher(Protocol):
    """What units say, and in which messages."""

    def connected(self, last: Sequence[Telling]) -> Iterator[Published]:
        """Say what is to be said first on a connection, given what each unit told last."""

    def scan(self, unit: int, telling: Telling) -> Iterator[Published]:
        """Say what a unit held at a step; nothing while it was dead."""

    @property
    def will(self) -> Published | None:
        """What the broker is to say when the connection is cut."""

    @property
    def commands(self) -> str | None:
        """The topic on which it is asked to say all again."""


class JsonPublisher:
    """Each scan as one message, acknowledged by the broker."""

    def __init__(self, site: str, units: Sequence[Unit]) -> None:
        self._site = site
        self._units = units

    def connected(self, last: Sequence[Telling]) -> Iterator[Published]:  # noqa: ARG002
        """Nothing comes before the first scan."""
        yield from ()

    def scan(self, unit: int, telling: Telling) -> Iterator[Published]:
        """Say a scan."""
        numbers = numbers_at(self._units[unit], telling.step)
        if numbers:
            document = {TIME_FIELD: telling.stamp_us // MS_US, **numbers}
            topic = topic_of(self._site, self._units[unit].plan.key)
            yield Published(topic, json.dumps(document).encode(), qos=1)

    will = None
    commands = None


class SparkplugPublisher:
    """A Sparkplug node whose devices are the units; only what has changed is said."""

    def __init__(self, node: str, units: Sequence[Unit]) -> None:
        self._node = node
        self._units = units
        self._seq = 0
        self._birth_number = -1
        self._told: list[dict[str, float | None]] = [{} for _ in units]  # Empty: not born.
        names = [channel.key for unit in units for channel in unit.plan.channels]
        self._alias = {name: number for number, name in enumerate(names, start=1)}

    @property
    def will(self) -> Published:
        """The death of the node, for the connection that is made next."""
        self._birth_number = (self._birth_number + 1) % SEQUENCE
        return Published(self._topic("NDEATH"), self._encoded(None, [self._birth_metric]), qos=1)

    @property
    def commands(self) -> str:
        """Where commands to the node come."""
        return self._topic("NCMD")

    def connected(self, last: Sequence[Telling]) -> Iterator[Published]:
        """Say the births, of the node and of every unit that lives."""
        self._seq = -1
        at_ms = max(one.stamp_us for one in last) // MS_US
        asked = Metric(REBIRTH, datatype=DataType.BOOLEAN, value=False)
        yield self._said("NBIRTH", at_ms, [self._birth_metric, asked])
        self._told = [{} for _ in self._units]
        for unit, telling in enumerate(last):
            yield from self.scan(unit, telling)

    def scan(self, unit: int, telling: Telling) -> Iterator[Published]:
        """Say what has changed; a birth or a death where the unit comes or goes."""
        key = self._units[unit].plan.key
        at_ms = telling.stamp_us // MS_US
        before, now = self._told[unit], numbers_at(self._units[unit], telling.step)
        self._told[unit] = now
        if before and now:
            changed = [name for name in now if now[name] != before[name]]
            names = changed or list(now)[:1]  # A sign of life, when nothing changes at all.
            yield self._said(
                "DDATA", at_ms, [self._metric(name, now, at_ms) for name in names], key
            )
        elif now:
            metrics = [self._metric(name, now, at_ms, birth=True) for name in now]
            yield self._said("DBIRTH", at_ms, metrics, key)
        elif before:
            yield self._said("DDEATH", at_ms, [], key)

    @property
    def _birth_metric(self) -> Metric:
        return Metric(BIRTH_NUMBER, datatype=DataType.UINT64, value=self._birth_number)

    def _metric(
        self, name: str, numbers: dict[str, float | None], at_ms: int, *, birth: bool = False
    ) -> Metric:
        value = numbers[name]
        return Metric(
            name=name if birth else None,
            alias=self._alias[name],
            timestamp_ms=at_ms,
            datatype=DataType.DOUBLE if birth else None,
            value=value,
            is_null=value is None,
        )

    def _said(
        self, kind: str, at_ms: int, metrics: Sequence[Metric], device: str | None = None
    ) -> Published:
        self._seq = (self._seq + 1) % SEQUENCE
        payload = self._encoded(self._seq, metrics, at_ms)
        # tck-id-topics-nbirth-mqtt and its neighbours: all but the will are sent with QoS 0.
        return Published(self._topic(kind, device), payload, qos=0)

    def _topic(self, kind: str, device: str | None = None) -> str:
        parts = [NAMESPACE, SPARKPLUG_GROUP, kind, self._node, *([device] if device else [])]
        return "/".join(parts)

    @staticmethod
    def _encoded(seq: int | None, metrics: Sequence[Metric], at_ms: int | None = None) -> bytes:
        return encode_payload(Payload(at_ms, seq, tuple(metrics)))


def numbers_at(unit: Unit, step: int) -> dict[str, float | None]:
    """Give what a unit's channels read at a step, by their ids; nothing when it is dead."""
    if not unit.answers(step):
        return {}
    row = unit.read(np.array([step]))[0]
    return {
        channel.key: None if math.isnan(row[channel.slot]) else float(row[channel.slot])
        for channel in unit.plan.channels
    }
