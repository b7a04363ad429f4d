"""A Sparkplug B node of another library, read by the edge agent over a real broker."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from broker import KINDS, Broker, running_broker
from centre_double import CentreDouble, centre_double
from mqtt_edge import agent, scans_in, settings_of
from mqtt_plans import mqtt_group
from peer_venv import peer_python

from telemetry.quality import Quality

LIBRARY = "pysparkplug==0.6.1"
SCRIPT = Path(__file__).parents[1] / "sparkplug_peer.py"
NODE = {"kind": "sparkplug_b", "group": "mine", "node": "dam"}
BORN = {
    "int8": -8.0,
    "int16": -16_000.0,
    "int32": -2_000_000_000.0,
    "int64": -(2.0**53),
    "uint8": 200.0,
    "uint16": 60_000.0,
    "uint32": 4_000_000_000.0,
    "uint64": 2.0**60,
    "float": 1.5,
    "double": 0.1,
    "boolean": 1.0,
    "string": 12.25,
}
GROUPS = [
    mqtt_group([*BORN, "nothing"], NODE | {"device": "logger"}, period_s=600.0),
    mqtt_group(["supply"], NODE, name="own", period_s=600.0),
]


class Peer:
    """The other library's node, as a test sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def order(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.said("done")

    async def said(self, word: str) -> None:
        """Wait until it says something."""
        assert self.process.stdout is not None
        async with asyncio.timeout(40):
            while (line := (await self.process.stdout.readline()).decode().strip()) != word:
                assert line, "the peer ended by itself"


@asynccontextmanager
async def peer_node(python: Path, port: int) -> AsyncIterator[Peer]:
    process = await asyncio.create_subprocess_exec(
        *(python, SCRIPT, str(port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Peer(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_edge_reads_every_type_its_changes_and_its_death(
    kind: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    assert pytestconfig.cache is not None
    python = peer_python(pytestconfig.cache, LIBRARY)
    with running_broker(kind, tmp_path / "broker") as broker:
        async with centre_double() as centre:
            settings = settings_of(tmp_path, broker.port, centre.port, GROUPS)
            async with heard_on(broker, "NCMD") as asked, agent(settings):
                await anext(asked.messages)  # The edge listens, and nobody answers.
                async with peer_node(python, broker.port) as peer:
                    await centre.wait_until(lambda: centre.scans_of("group") >= 1, 40.0)
                    await peer.order("double 0.25")
                    await peer.order("int8 -1")
                    await centre.wait_until(lambda: newest(centre)[0][:1] == [-1.0])
                    await peer.order("die")
                    await centre.wait_until(lambda: is_unread(centre))
            async with heard_on(broker, "NBIRTH") as born, peer_node(python, broker.port) as peer:
                await anext(born.messages)
                async with agent(settings):
                    await peer.said("asked Node Control/Rebirth")  # It has understood us, too.

    scans = scans_in(centre.blocks, "group")
    assert scans[0][1][:-1] == list(BORN.values())
    assert scans[0][2] == [Quality.GOOD] * len(BORN) + [Quality.NO_VALUE]
    changed = BORN | {"double": 0.25, "int8": -1.0}
    last = next(raw for _, raw, quality in reversed(scans) if quality[0] == Quality.GOOD)
    assert last[:-1] == list(changed.values())
    assert scans_in(centre.blocks, "own")[0][1] == [12.5]


def newest(centre: CentreDouble) -> tuple[list[float], list[int]]:
    _, raw, quality = scans_in(centre.blocks, "group")[-1]
    return raw, quality


def is_unread(centre: CentreDouble) -> bool:
    return all(one == Quality.NO_CONNECTION for one in newest(centre)[1])


@asynccontextmanager
async def heard_on(broker: Broker, kind: str) -> AsyncIterator[aiomqtt.Client]:
    """A client that hears messages of one kind from now on."""
    async with asyncio.timeout(90), aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(f"spBv1.0/mine/{kind}/dam", qos=0)
        yield client
