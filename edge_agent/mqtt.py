"""The task of one MQTT bus: take what instruments publish, and acknowledge it once it is kept.

    broker -> line -> readers -> collector -> spool -> acknowledgement -> broker

A message that cannot be read holds up nobody: it is told when that begins and ends, counted,
kept aside in the spool, and acknowledged like any other.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog
from paho.mqtt.client import topic_matches_sub

from carriers.acknowledged import AcknowledgedLine, Delivery, Window, acknowledged_line
from carriers.broker import BrokerError
from carriers.waiting import happens_within
from edge_agent.broker_access import BrokerAccess
from edge_agent.event_reading import EventReader
from edge_agent.message_reading import GroupScans, JsonReader, Message, Reader
from edge_agent.receipts import Receipt, Receipts
from edge_agent.schedule import Backoff
from edge_agent.settings import SettingsError
from edge_agent.source import Keep, KeepAside, KeepEvents, KeptAside, TakenEvents, TakenScan
from edge_agent.sparkplug_node import SparkplugNode
from telemetry.clock import Clock, MachineClock, real_monotonic_s
from telemetry.plan import EventSourcePlan, GroupPlan
from telemetry.site import Bus, ScanGroup
from telemetry.sources import JsonMessage, SparkplugMessage
from telemetry.unread import unread

RECONNECT_LEAST_S: Final = 0.5
RECONNECT_MOST_S: Final = 15.0
LOOK_APART_S: Final = 1.0  # How soon a silent device is noticed, and a lack of room.
SETTLE_S: Final = 5.0  # At a stop: the spool writes within a second.
ASIDE_BYTES_MAX: Final = 8 << 20  # An hour; a device gone mad must not push readings out.
ASIDE_APART_S: Final = 3_600.0

log = structlog.get_logger()


class BrokerListening:
    """The task of one broker."""

    def __init__(
        self,
        bus: Bus,
        readers: Sequence[Reader],
        access: BrokerAccess,
        *,
        keep: Keep,
        keep_aside: KeepAside,
        keep_events: KeepEvents,
    ) -> None:
        self.source_id = bus.id
        self.unread: Counter[str] = Counter()  # Messages that could not be read, by topic filter.
        self._access = access
        self._keep = keep
        self._keep_aside = keep_aside
        self._keep_events = keep_events
        self._clock: Clock = MachineClock()
        self._readers = tuple(readers)
        self._topics = tuple(dict.fromkeys(one for it in self._readers for one in it.topics))
        self._window = Window()
        self._receipts = Receipts()
        self._backoff = Backoff(RECONNECT_LEAST_S, RECONNECT_MOST_S)
        self._failing: set[str] = set()  # Topics whose last message could not be read.
        self._aside = Allowance(ASIDE_BYTES_MAX, ASIDE_APART_S)
        self._lost_line = False
        self._log = log.bind(bus=bus.id)

    async def warm_up(self) -> None:
        """Do nothing: what comes needs the clock that is given later."""

    def close(self) -> None:
        """Do nothing: a line ends with `run`."""

    async def run(
        self, clock: Clock, stop: asyncio.Event, *, begin_us: int, newest_us: Mapping[str, int]
    ) -> None:
        """Take what is published until told to stop."""
        del begin_us, newest_us  # Of devices that are asked: these speak when they want to.
        self._clock = clock
        if self._access.shows_password_to_all:
            self._log.warning("the password travels unencrypted: let the bus be encrypted")
        while not stop.is_set():
            await self._wait_for_room(stop)
            try:
                await self._listen(stop)
            except (BrokerError, SettingsError) as error:
                self._tell_line(str(error))
                self._backoff.failed(real_monotonic_s())
            while not (stop.is_set() or self._backoff.allows(real_monotonic_s())):
                self._pass_on(one for it in self._readers for one in it.disconnected(self._now_us))
                await happens_within(stop, LOOK_APART_S / 2)

    @property
    def _now_us(self) -> int:
        return self._clock.now_us()

    async def _wait_for_room(self, stop: asyncio.Event) -> None:
        """Wait until the disk has taken enough of what has come before."""
        while not (stop.is_set() or self._window.has_room.is_set()):
            await happens_within(self._window.has_room, LOOK_APART_S)

    async def _listen(self, stop: asyncio.Event) -> None:
        """Hold one connection until told to stop; raise `BrokerError` when it ends before."""
        async with acknowledged_line(self._access.address(), self._window) as line:
            await line.subscribe(self._topics)
            self._tell_line(None)
            self._backoff.succeeded()
            for reader in self._readers:
                reader.connected(self._now_us, real_monotonic_s())
            stopping = asyncio.create_task(stop.wait(), name="stop listening")
            stopping.add_done_callback(lambda _: line.wake.set())
            try:
                await self._take_all(line, stop)
            finally:
                stopping.cancel()
            if not await line.finish(SETTLE_S):
                self._log.warning("stopped before all was kept; the broker will send it again")

    async def _take_all(self, line: AcknowledgedLine, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for delivery in line.take():
                self._take(delivery)
            self._pass_on(one for it in self._readers for one in it.held(self._now_us))
            for reader in self._readers:
                for command in reader.commands(self._now_us, real_monotonic_s()):
                    self._log.info("device asked to say all again", topic=command.topic)
                    await line.publish(command.topic, command.payload)
            await happens_within(line.wake, LOOK_APART_S)

    def _take(self, delivery: Delivery) -> None:
        """Hand on what a message says; it is acknowledged when all of that is kept."""
        receipt, was_taken = self._receipts.of(delivery)
        if was_taken:
            return
        message = Message(
            topic=delivery.topic,
            payload=delivery.payload,
            received_us=self._now_us,
            retained=delivery.retained,
            again=delivery.again,
        )
        complaints: list[str] = []
        for reader in self._readers:
            if any(topic_matches_sub(topic, message.topic) for topic in reader.topics):
                reading = reader.read(message, real_monotonic_s())
                self._pass_on(reading.scans, receipt)
                for block in reading.events:
                    self._keep_events(TakenEvents(block, receipt.part()))
                complaints += reading.complaints
        self._tell_message(message, complaints)
        if complaints:
            self._put_aside(message, complaints, receipt)
        receipt.kept()

    def _pass_on(self, found: Iterable[GroupScans], receipt: Receipt | None = None) -> None:
        """Hand scans to the collector."""
        monotonic_us = self._clock.monotonic_us()
        now_us = self._now_us
        for one in found:
            for n, sampled_us in enumerate(one.scans.sampled_us.tolist()):
                self._keep(
                    TakenScan(
                        plan=one.plan,
                        sampled_us=sampled_us,
                        # So that intervals between scans of one message are exact, too.
                        monotonic_us=monotonic_us - max(0, now_us - sampled_us),
                        raw=one.scans.raw[n],
                        quality=one.scans.quality[n],
                        in_order=one.in_order,
                        kept=None if receipt is None else receipt.part(),
                    )
                )

    def _put_aside(self, message: Message, complaints: Sequence[str], receipt: Receipt) -> None:
        """Keep the bytes of a message for the quarantine of the centre."""
        allowed = self._aside.take(len(message.payload), real_monotonic_s())
        if not allowed:
            if allowed is None:
                self._log.error(
                    "too much cannot be read: messages are counted but no longer kept aside",
                    topic=message.topic, bytes_an_hour=ASIDE_BYTES_MAX,
                )  # fmt: skip
            return
        content = unread(
            self.source_id,
            message.topic,
            message.received_us,
            "; ".join(complaints),
            message.payload,
        )
        self._keep_aside(KeptAside(content, receipt.part()))

    def _tell_message(self, message: Message, complaints: Sequence[str]) -> None:
        """Log when messages of a topic begin to be unreadable, and when they are read again."""
        filters = [one for one in self._topics if topic_matches_sub(one, message.topic)]
        topic = filters[0] if filters else "of no group"
        self.unread[topic] += bool(complaints)
        if complaints and topic not in self._failing:
            self._failing.add(topic)
            self._log.warning("message cannot be read", topic=topic, reason="; ".join(complaints))
        elif not complaints and topic in self._failing:
            self._failing.discard(topic)
            self._log.info("messages are read again", topic=topic, unread=self.unread[topic])

    def _tell_line(self, failure: str | None) -> None:
        if failure is not None and not self._lost_line:
            self._log.warning("broker cannot be reached", reason=failure)
        elif failure is None:
            self._log.info("broker connected", topics=len(self._topics))
        self._lost_line = failure is not None


class Allowance:
    """So many bytes in a while; time is an argument."""

    def __init__(self, bytes_max: int, apart_s: float) -> None:
        self._bytes_max = bytes_max
        self._apart_s = apart_s
        self._began_s = float("-inf")
        self._used = 0
        self._refusing = False

    def take(self, length: int, now_s: float) -> bool | None:
        """Tell whether so many more are allowed; None when the first is refused.

        >>> allowance = Allowance(10, 60.0)
        >>> [allowance.take(length, at_s) for length, at_s in [(8, 0), (8, 1), (8, 2), (8, 60)]]
        [True, None, False, True]
        """
        if now_s - self._began_s >= self._apart_s:
            self._began_s, self._used, self._refusing = now_s, 0, False
        if self._used + length <= self._bytes_max:
            self._used += length
            return True
        was_refusing, self._refusing = self._refusing, True
        return False if was_refusing else None


def readers_of(
    site: str, groups: Sequence[GroupPlan], event_sources: Sequence[EventSourcePlan]
) -> tuple[Reader, ...]:
    """Make the readers of a bus: one for each group and source of JSON, and for each node."""
    readers: list[Reader] = [EventReader(site, source) for source in event_sources]
    of_nodes: dict[tuple[str, str], list[GroupPlan]] = {}
    for plan in groups:
        assert isinstance(plan.group, ScanGroup)
        message = plan.group.message
        if isinstance(message, JsonMessage):
            readers.append(JsonReader(plan))
        elif isinstance(message, SparkplugMessage):
            of_nodes.setdefault((message.group, message.node), []).append(plan)
    readers += [SparkplugNode(*node, plans) for node, plans in of_nodes.items()]
    return tuple(readers)
