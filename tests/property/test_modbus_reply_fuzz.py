"""Mutated replies, in process and over real sockets; `make fuzz` tries a million of them."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from modbus_fuzz import Reply, Tally, any_reply, crc, fuzz, mutated
from pymodbus.framer import FramerRTU

from edge_agent.modbus import Bus, ReadFailedError
from telemetry.sources import ModbusRtuOverTcp, ModbusTcp

COUNT = 20_000
ON_SOCKETS = 1_000
SEED = 20_251_125


def test_no_mutated_reply_becomes_a_wrong_value() -> None:
    tally = fuzz(COUNT, SEED)

    assert sum(tally.outcomes.values()) == COUNT
    seen = {
        f"{line} {what}" for line in ("tcp", "rtu") for what in ("answered", "refused", "waiting")
    }
    assert seen <= set(tally.outcomes)
    assert tally.beyond["rtu"] == 0  # One in 65,536 might be.
    assert fuzz(500, SEED).outcomes == fuzz(500, SEED).outcomes


def test_what_the_crc_sees() -> None:
    """Every flip of one, two or three bits, in an answer of the usual length."""
    reply = any_reply(random.Random(3), as_rtu=True)
    frame = bytearray(reply.frame)
    assert FramerRTU.compute_CRC(bytes(frame[:-2])).to_bytes(2, "big") == crc(bytes(frame[:-2]))
    bits = range(8 * len(frame))
    for one in bits:
        for other in bits[:40]:
            changed = bytearray(frame)
            changed[one // 8] ^= 1 << one % 8
            changed[other // 8] ^= 1 << other % 8
            assert one == other or bytes(changed[-2:]) != crc(bytes(changed[:-2]))


@asynccontextmanager
async def device(sent: list[bytes], *, as_rtu: bool) -> AsyncIterator[int]:
    """A device that sends what it is told to, as the answer to our transaction, and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(8 if as_rtu else 12)
            writer.write(sent[-1])
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("as_rtu", [False, True], ids=["tcp", "rtu over tcp"])
async def test_nor_does_one_that_comes_over_a_socket(as_rtu: bool) -> None:
    chance, tally, sent = random.Random(SEED), Tally(), [b""]
    async with device(sent, as_rtu=as_rtu) as port:
        where = {"host": "127.0.0.1", "port": port, "timeout_s": 20.0}
        address = (ModbusRtuOverTcp if as_rtu else ModbusTcp).model_validate(where)
        for _ in range(ON_SOCKETS):
            made = any_reply(chance, as_rtu=as_rtu)
            reply = Reply(made.stretch, made.unit, 1, made.data, as_rtu)  # The first question.
            sent[0] = mutated(reply, chance)
            bus = Bus(address)
            values, outcome = None, "refused"
            try:
                read = await bus.read(reply.stretch, device_id=reply.unit, timeout_s=20.0)
                values, outcome = read.tolist(), "answered"
            except ReadFailedError:
                pass
            finally:
                bus.close()
            tally.judge(reply, sent[0], values, outcome)

    assert tally.outcomes["refused"] > ON_SOCKETS / 2
    assert tally.outcomes["answered"] > 0
