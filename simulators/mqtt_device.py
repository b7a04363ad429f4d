"""A simulated device that publishes to a broker: each unit's scans at the scenario's instants.

The shell around `simulators.messages`: it waits for the instants, and for the broker. A scan that
the broker has not taken is published again, as a logger with a memory does.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiomqtt

from simulators.device_server import site_of
from simulators.field import Unit, units_of
from simulators.messages import JsonPublisher, Published, Publisher, SparkplugPublisher
from simulators.mqtt_site import node_of
from simulators.scenario import Scenario, ScenarioError, read_scenario
from simulators.settings import MqttDeviceSettings
from telemetry.clock import Clock, MachineClock, instant_at, read_clock_file
from telemetry.lifetime import until_asked_to_stop
from telemetry.plan import plan_of
from telemetry.site_file import SiteFileError
from telemetry.sparkplug import SparkplugError, decode_payload, is_rebirth_request

REMEMBERED_MAX: Final = 1_000  # Scans of a unit that wait for the broker; older ones are gone.
RECONNECT_S: Final = 0.5
CLOCK_LOOK_APART_S: Final = 0.05


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
        else JsonPublisher(site.site, units)
    )
    device = MqttDevice(units, publisher, host=settings.host, port=settings.port)
    asked = asyncio.create_task(until_asked_to_stop(settings.supervised))
    running = asyncio.create_task(_begin(device, settings, scenario))
    await asyncio.wait([asked, running], return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return 0


async def _begin(device: "MqttDevice", settings: MqttDeviceSettings, scenario: Scenario) -> None:
    """Wait for the clock, then publish."""
    clock: Clock = MachineClock()
    while settings.clock is not None:
        try:
            clock = read_clock_file(settings.clock)
            break
        except FileNotFoundError:
            await asyncio.sleep(CLOCK_LOOK_APART_S)
    await device.run(clock, scenario.began_us)


@dataclass(slots=True)
class _Turn:
    """The step that a unit says next."""

    unit: Unit
    step: int

    def at_us(self) -> int:
        return self.step * self.unit.period_us


class MqttDevice:
    """Some units that speak to one broker."""

    def __init__(
        self, units: Sequence[Unit], publisher: Publisher, *, host: str, port: int
    ) -> None:
        self._units = units
        self._publisher = publisher
        self._host = host
        self._port = port
        self._turns: list[_Turn] = []
        self._wants_births = asyncio.Event()

    async def run(self, clock: Clock, began_us: int) -> None:
        """Publish every step from the beginning on; never returns."""
        self._turns = [_Turn(unit, began_us // unit.period_us + 1) for unit in self._units]
        while True:
            with suppress(aiomqtt.MqttError):
                await self._speak(clock)
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
        turn = min(self._turns, key=_Turn.at_us)
        wait_s = clock.real_s_until(turn.at_us())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait_s)):
                await self._wants_births.wait()
        if self._wants_births.is_set():
            self._wants_births.clear()
            # Births tell what was said last, so that they come before what is said next.
            await _publish(
                client, list(self._publisher.connected([one.step - 1 for one in self._turns]))
            )
            return
        now_step = clock.now_us() // turn.unit.period_us
        turn.step = max(turn.step, now_step - REMEMBERED_MAX)
        await _publish(client, list(self._publisher.scan(self._turns.index(turn), turn.step)))
        turn.step += 1


async def _publish(client: aiomqtt.Client, messages: Sequence[Published]) -> None:
    for one in messages:
        await client.publish(one.topic, one.payload, qos=one.qos)
