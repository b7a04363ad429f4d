"""A simulated device as the command starts it, over a real broker."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from broker import running_broker
from peers import peer

from telemetry.clock import MachineClock, ScenarioClock, write_clock_file
from telemetry.sparkplug import decode_payload, rebirth_request

ROOT = Path(__file__).parents[2]
BEGAN_US = 1_751_328_000_000_000


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "groundwatch", "simulate", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


def clock_file(folder: Path) -> str:
    path = folder / "clock.json"
    write_clock_file(path, ScenarioClock(MachineClock().now_us(), BEGAN_US, 60.0))
    return str(path)


async def test_mosquitto_sub_reads_the_simulated_dam(tmp_path: Path) -> None:
    subscribe = peer("mosquitto_sub")
    with running_broker("nats", tmp_path / "broker") as broker:
        listener = await asyncio.create_subprocess_exec(
            *(subscribe, "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-C", "1"),
            *("-t", "groundwatch/demo-mine/dam-section-1", "-W", "40"),
            stdout=subprocess.PIPE,
        )
        where = f"127.0.0.1:{broker.port}"
        async with command("dam", "--mqtt", where, "--clock", clock_file(tmp_path)):
            said, _ = await asyncio.wait_for(listener.communicate(), 45)
    assert json.loads(said)["at_ms"] * 1000 > BEGAN_US


async def test_a_sparkplug_device_is_born_again_when_asked_and_dies_by_its_will(
    tmp_path: Path,
) -> None:
    kinds: list[str] = []

    async def heard(client: aiomqtt.Client, kind: str) -> aiomqtt.Message:
        async with asyncio.timeout(40):
            async for message in client.messages:
                kinds.append(message.topic.value.split("/")[2])
                if kinds[-1] == kind:
                    return message
        raise AssertionError

    with running_broker("nats", tmp_path / "broker") as broker:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe("spBv1.0/groundwatch/+/fan/#", qos=1)
            where = f"127.0.0.1:{broker.port}"
            arguments = ("fan", "--mqtt", where, "--sparkplug", "--clock", clock_file(tmp_path))
            async with command(*arguments) as process:
                birth = decode_payload(bytes((await heard(client, "NBIRTH")).payload))
                await heard(client, "DDATA")
                await client.publish("spBv1.0/groundwatch/NCMD/fan", rebirth_request(0))
                await heard(client, "NBIRTH")
                process.kill()
                death = decode_payload(bytes((await heard(client, "NDEATH")).payload))
    numbers = [one.metrics[0].value for one in (birth, death)]
    assert numbers == [0, 0]
    assert (birth.seq, death.seq) == (0, None)


@pytest.mark.parametrize("where", ["broker", "broker:", ":1883", "broker:70000"])
async def test_what_is_no_broker_gets_a_sentence(where: str) -> None:
    async with command("dam", "--mqtt", where) as process:
        _, error = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 2
    assert f"'{where}' is no broker" in error.decode()
