"""The seam between messages and scans: who reads the messages of some topics, and what he gets."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from telemetry.event import EventBlock
from telemetry.json_message import JsonDecoder, MessageError, MessageScans
from telemetry.plan import GroupPlan
from telemetry.quality import Quality


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came."""

    topic: str
    payload: bytes
    received_us: int
    retained: bool = False  # The broker kept it for us: nobody knows since when.
    again: bool = False  # The broker has sent it before.


@dataclass(frozen=True, slots=True, eq=False)
class GroupScans:
    """Scans of one group that a message, or the lack of one, gave."""

    plan: GroupPlan
    scans: MessageScans
    in_order: bool


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a reader made of a message."""

    scans: tuple[GroupScans, ...] = ()
    complaints: tuple[str, ...] = ()  # Then the message is kept aside as well.
    events: tuple[EventBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """What a reader wants a device to do."""

    topic: str
    payload: bytes


class Reader(Protocol):
    """Whoever reads the messages of some topics; pure: the time is told, nothing is waited for."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""

    def read(self, message: Message, now_s: float) -> Reading:
        """Read a message; `now_s` is on a clock that never steps."""

    def connected(self, at_us: int, now_s: float) -> None:
        """Note that the broker is reached, and messages may have been missed."""

    def disconnected(self, at_us: int) -> tuple[GroupScans, ...]:
        """Note that the broker is not reached; give what is known thereby."""

    def held(self, at_us: int) -> tuple[GroupScans, ...]:
        """Give what is so at an instant although nobody has said it again."""

    def commands(self, at_us: int, now_s: float) -> tuple[Command, ...]:
        """Give what devices must be asked now."""


class WithoutMemory:
    """What readers do who know nothing but what a message says: who is silent has said nothing."""

    def connected(self, at_us: int, now_s: float) -> None:
        """Nothing is to be asked."""

    def disconnected(self, at_us: int) -> tuple[GroupScans, ...]:  # noqa: ARG002
        """Nothing is known: the centre hears that the group is silent."""
        return ()

    def held(self, at_us: int) -> tuple[GroupScans, ...]:  # noqa: ARG002
        """Nothing is so because it once was."""
        return ()

    def commands(self, at_us: int, now_s: float) -> tuple[Command, ...]:  # noqa: ARG002
        """Nobody is to be asked."""
        return ()


class JsonReader(WithoutMemory):
    """Reads the JSON messages of one group."""

    def __init__(self, plan: GroupPlan) -> None:
        self._plan = plan
        self._decoder = JsonDecoder(plan)
        self._stamped = self._decoder.message.time is not None
        self._newest_us = -1

    @property
    def topics(self) -> tuple[str, ...]:
        """The topic of the group."""
        return (self._decoder.message.topic,)

    def read(self, message: Message, now_s: float) -> Reading:  # noqa: ARG002
        """Read a message."""
        if message.retained and not self._stamped:
            return Reading()  # It may be a year old, so it tells nothing about now.
        try:
            scans = self._decoder.decode(message.topic, message.payload, message.received_us)
        except MessageError as error:
            return Reading(complaints=(str(error),))
        if not self._stamped:
            scans = self._as_of_arrival(scans, came_again=message.again)
        found = GroupScans(self._plan, scans, in_order=not self._stamped)
        return Reading((found,), scans.complaints)

    def _as_of_arrival(self, scans: MessageScans, *, came_again: bool) -> MessageScans:
        """Give each message an instant of its own; one that came again is of an unknown one."""
        at_us = int(scans.sampled_us[0])
        if at_us - self._newest_us in range(-1_000, 1):  # In the same moment as the one before.
            at_us = self._newest_us + 1
        self._newest_us = at_us
        quality = scans.quality
        if came_again:
            quality = quality.copy()
            quality[quality == Quality.GOOD] = Quality.CLOCK_SUSPECT
        return replace(scans, sampled_us=np.array([at_us], np.int64), quality=quality)
