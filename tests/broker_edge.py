"""An edge that delivers over a broker: a real spool and the real uplink, with nothing to poll."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from broker import Broker
from ingest_bench import IngestBench

from carriers.broker_settings import BrokerUrl
from edge_agent.mqtt_carrier import MqttCarrier
from edge_agent.spool import SpoolBlock, read_ledger
from edge_agent.storing import SpoolThread
from edge_agent.uplink import Uplink
from ingest.broker_sessions import BrokerSessions
from telemetry.wire import decode_block

Readings = dict[tuple[str, int], bytes]  # By group and instant: the numbers, as bytes.


def address_of(broker: Broker) -> BrokerUrl:
    return BrokerUrl("127.0.0.1", broker.port, encrypted=False)


@asynccontextmanager
async def sessions(bench: IngestBench, broker: Broker) -> AsyncIterator[BrokerSessions]:
    """An ingest that takes edges over a broker too."""
    serving = BrokerSessions(bench.parts, ["mine"], address_of(broker), None)
    running = asyncio.create_task(serving.run())
    try:
        yield serving
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()


class BrokerEdge:
    """One edge."""

    def __init__(self, broker: Broker, folder: Path, token: str, edge: str = "dam-edge") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{edge}.spool"
        token_file = folder / f"{edge}.token"
        token_file.write_text(token)
        self.spool = SpoolThread(self.path, bytes_max=1 << 30)
        carrier = MqttCarrier(
            broker=address_of(broker),
            settings_file=None,
            site="mine",
            edge=edge,
            token_file=token_file,
        )
        self.uplink = Uplink(carrier=carrier, site="mine", edge=edge, spool=self.spool)

    async def put(self, contents: Iterable[bytes]) -> None:
        """Keep blocks, and tell the uplink."""
        blocks = [SpoolBlock(one, 1, 1) for one in contents]
        self.uplink.appended(await self.spool.append(lambda: blocks))

    def readings(self) -> Readings:
        """What is in the spool, acknowledged or not."""
        found: Readings = {}
        for _, content in read_ledger(self.path):
            block = decode_block(content)
            for us, raw in zip(block.sampled_us.tolist(), block.raw, strict=True):
                found[block.group, us] = np.asarray(raw, "<f8").tobytes()
        return found


@asynccontextmanager
async def broker_edge(
    bench: IngestBench,
    broker: Broker,
    folder: Path,
    edge: str = "dam-edge",
    *,
    token: str | None = None,
) -> AsyncIterator[BrokerEdge]:
    """An edge whose uplink runs."""
    running = BrokerEdge(broker, folder, token or await bench.token(edge), edge)
    await running.spool.open()
    calling = asyncio.create_task(running.uplink.run())
    try:
        yield running
    finally:
        await running.uplink.finish()
        calling.cancel()
        await asyncio.wait([calling])
        await running.spool.close()
