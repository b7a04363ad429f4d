"""A simulated device that publishes to a broker: each unit's scans at the scenario's instants.

The shell around `simulators.messages`: it waits for the instants, and for the broker. A scan that
the broker has not taken is published again, as a logger with a memory does.
"""

import asyncio
import heapq
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import aiomqtt

from simulators.device_server import site_of
from simulators.event_messages import EventfulPublisher
from simulators.field import Unit, units_of
from simulators.messages import Published, Publisher, SparkplugPublisher
from simulators.mqtt_site import node_of
from simulators.scenario import Scenario, ScenarioError, read_scenario
from simulators.settings import DeviceSettings, MqttDeviceSettings
from simulators.stamping import Telling, tellings_of
from telemetry.clock import Clock, MachineClock, instant_at, read_clock_file
from telemetry.lifetime import heed_cancellation, until_asked_to_stop
from telemetry.plan import plan_of
from telemetry.site_file import SiteFileError
from telemetry.sparkplug import SparkplugError, decode_payload, is_rebirth_request

REMEMBERED_MAX: Final = 1_000  # Scans of a unit that wait for the broker; older ones are gone.
RECONNECT_S: Final = 0.5
CLOCK_LOOK_APART_S: Final = 0.05


def simulate_mqtt(device: DeviceSettings, *, broker: str, sparkplug: bool) -> int:
    """Publish a device's scans to a broker, given as HOST:PORT; return the exit code."""
    host, _, port = broker.rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        print(f"'{broker}' is no broker; write --mqtt HOST:PORT.", file=sys.stderr)  # noqa: T201
        return 2
    return run_mqtt_device(
        MqttDeviceSettings(
            device=device.device,
            scenario=device.scenario,
            seed=device.seed,
            site=device.site,
            clock=device.clock,
            supervised=device.supervised,
            host=host,
            port=int(port),
            sparkplug=sparkplug,
        )
    )


def run_mqtt_device(settings: MqttDeviceSettings) -> int:
    """Publish a device's scans until told to stop; return the exit code."""
    try:
        scenario = read_scenario(settings.scenario)
        if settings.clock is None:
            begins_now = {"began_at": instant_at(MachineClock().now_us())}
            scenario = scenario.model_copy(update=begins_now)
        return asyncio.run(_run(settings, scenario))
    except (ScenarioError, SiteFileError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2


async def _run(settings: MqttDeviceSettings, scenario: Scenario) -> int:
    site = site_of(settings, scenario)
    units = units_of(scenario, plan_of(site), settings.device, settings.seed)
    publisher: Publisher = (
        SparkplugPublisher(node_of(f"{settings.device}-bus"), units)
        if settings.sparkplug
        else EventfulPublisher(site.site, units, scenario, settings.seed)
    )
    device = MqttDevice(units, publisher, host=settings.host, port=settings.port)
    asked = asyncio.create_task(until_asked_to_stop(settings.supervised))
    running = asyncio.create_task(_begin(device, settings))
    await asyncio.wait([asked, running], return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return 0


async def _begin(device: "MqttDevice", settings: MqttDeviceSettings) -> None:
    """Wait for the clock, then publish."""
    clock: Clock = MachineClock()
    while settings.clock is not None:
        try:
            clock = read_clock_file(settings.clock)
            break
        except FileNotFoundError:
            await asyncio.sleep(CLOCK_LOOK_APART_S)
    await device.run(clock)


class Turns:
    """The tellings of one unit, one after the other; some come later than their steps."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._next_step = unit.began_us // unit.period_us + 1
        self._waiting: list[Telling] = []
        before = self._next_step - 1
        self.last = Telling(before * unit.period_us, before, before * unit.period_us)

    @property
    def next(self) -> Telling:
        """What is told next: no later step can be told before it."""
        while not self._waiting or self._instant <= self._waiting[0].told_us:
            (telling,) = self._tellings([self._next_step])
            heapq.heappush(self._waiting, telling)
            self._next_step += 1
        return self._waiting[0]

    def forget(self, before_us: int) -> None:
        """Give up what should have been told long ago, all but the newest."""
        newest = before_us // self._unit.period_us
        if self.next.told_us < before_us:
            self._waiting = [one for one in self._waiting if one.told_us >= before_us]
            heapq.heapify(self._waiting)
            self._next_step = max(self._next_step, newest)

    def told(self) -> None:
        """Note that the next has been told."""
        self.last = heapq.heappop(self._waiting)

    @property
    def _instant(self) -> int:
        return self._next_step * self._unit.period_us

    def _tellings(self, steps: Sequence[int]) -> list[Telling]:
        return tellings_of(
            steps,
            period_us=self._unit.period_us,
            began_us=self._unit.began_us,
            faults=self._unit.faults,
        )


class MqttDevice:
    """Some units that speak to one broker."""

    def __init__(
        self, units: Sequence[Unit], publisher: Publisher, *, host: str, port: int
    ) -> None:
        self._units = units
        self._publisher = publisher
        self._host = host
        self._port = port
        self._turns = [Turns(unit) for unit in units]
        self._wants_births = asyncio.Event()

    async def run(self, clock: Clock) -> None:
        """Publish every step from the beginning on; never returns."""
        while True:
            with suppress(aiomqtt.MqttError):
                await self._speak(clock)
            heed_cancellation()
            await asyncio.sleep(RECONNECT_S)

    async def _speak(self, clock: Clock) -> None:
        """Publish over one connection, for as long as it lasts."""
        will = self._publisher.will
        async with aiomqtt.Client(
            self._host,
            self._port,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, will.qos),
        ) as client:
            print(f"publishing to {self._host}:{self._port}", flush=True)  # noqa: T201
            if self._publisher.commands is not None:
                await client.subscribe(self._publisher.commands, qos=0)
            listening = asyncio.create_task(self._listen(client))
            try:
                self._wants_births.set()
                while True:
                    await self._say_next(client, clock)
            finally:
                listening.cancel()

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Take orders to say all again."""
        with suppress(aiomqtt.MqttError):  # Then publishing fails as well.
            async for message in client.messages:
                with suppress(SparkplugError):
                    if is_rebirth_request(decode_payload(bytes(message.payload))):
                        self._wants_births.set()

    async def _say_next(self, client: aiomqtt.Client, clock: Clock) -> None:
        """Wait for the next instant of any unit and say what it holds; or the births, if asked."""
        unit, turns = min(enumerate(self._turns), key=lambda one: one[1].next.told_us)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, clock.real_s_until(turns.next.told_us))):
                await self._wants_births.wait()
        if self._wants_births.is_set():
            self._wants_births.clear()
            # Births tell what was said last, so that they come before what is said next.
            births = self._publisher.connected([one.last for one in self._turns])
            await _publish(client, list(births))
            return
        turns.forget(clock.now_us() - REMEMBERED_MAX * self._units[unit].period_us)
        if clock.now_us() >= turns.next.told_us:
            await _publish(client, list(self._publisher.scan(unit, turns.next)))
            turns.told()


async def _publish(client: aiomqtt.Client, messages: Sequence[Published]) -> None:
    for one in messages:
        await client.publish(one.topic, one.payload, qos=one.qos)
        heed_cancellation()
