"""A gateway that answers late, without transaction numbers: no value may land on another register.

The gateway speaks Modbus TCP but answers with transaction 0, as some do, so that a client
cannot tell a late reply from the one it waits for. Each register holds its own address.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from stream_server import Answer, stream_server

from edge_agent.modbus import Bus, ReadFailedError
from edge_agent.registers import Stretch
from telemetry.quality import Quality
from telemetry.sources import ModbusTcp

TIMEOUT_S = 0.1


@asynccontextmanager
async def bus_to(answer: Answer, timeout_s: float) -> AsyncIterator[Bus]:
    """A bus whose device answers like this; in the end every connection has been closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        await reader.readexactly(1)  # Until the bus hangs up.

    async with stream_server(serve) as port:
        bus = Bus(ModbusTcp(host="127.0.0.1", port=port, timeout_s=timeout_s))
        try:
            yield bus
        finally:
            bus.close()


class Gateway:
    """Answers one request after the other; those in `late` only when the next one has come.

    So a bus that keeps its connection after a time-out finds the late reply first.
    """

    def __init__(self, late: set[int]) -> None:
        self.late = late
        self.requests = 0
        self.connections = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        owed = b""
        while True:
            request = await reader.readexactly(12)
            _, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", request)
            self.requests += 1
            words = struct.pack(f">{count}H", *range(address, address + count))
            body = struct.pack(">BBB", unit, function, len(words)) + words
            owed += struct.pack(">HHH", 0, 0, len(body)) + body
            if self.requests not in self.late:
                writer.write(owed)
                owed = b""


async def test_a_late_reply_is_never_taken_for_the_next_answer() -> None:
    slow = Gateway(late={3, 4, 8})
    failed: list[int] = []
    async with bus_to(slow.answer, TIMEOUT_S) as bus:
        for number in range(1, 21):
            try:
                words = await bus.read(
                    Stretch("holding", 10 * number, 2), device_id=1, timeout_s=TIMEOUT_S
                )
            except ReadFailedError:
                failed.append(number)
            else:
                assert words.tolist() == [10 * number, 10 * number + 1]

    assert failed == [3, 4, 8]
    assert slow.connections == 4  # A new one after every time-out.


async def test_an_answer_to_another_question_is_no_number() -> None:
    async def one_register(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(12)
        writer.write(bytes.fromhex("0000 0000 0005 01 03 02 002a"))

    async with bus_to(one_register, TIMEOUT_S) as bus:
        with pytest.raises(ReadFailedError, match="wrong answer") as caught:
            await bus.read(Stretch("holding", 0, 2), device_id=1, timeout_s=TIMEOUT_S)

    assert caught.value.quality == Quality.DEVICE_ERROR


async def test_silence_is_no_reply() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(12)

    async with bus_to(silent, TIMEOUT_S) as bus:
        with pytest.raises(ReadFailedError, match="did not answer") as caught:
            await bus.read(Stretch("holding", 0, 2), device_id=1, timeout_s=TIMEOUT_S)

    assert caught.value.quality == Quality.NO_REPLY


async def test_nobody_there_is_no_connection_and_is_not_tried_all_the_time() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    bus = Bus(ModbusTcp(host="127.0.0.1", port=port))
    told: list[str] = []
    for _ in range(4):
        with pytest.raises(ReadFailedError) as caught:
            await bus.read(Stretch("holding", 0, 2), device_id=1, timeout_s=TIMEOUT_S)
        assert caught.value.quality == Quality.NO_CONNECTION
        told.append(str(caught.value).split(" ", maxsplit=1)[0])

    assert told == ["cannot", "cannot", "no", "no"]  # Twice in earnest, then left alone.


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "illegal function"), (10, "gateway itself"), (11, "device behind it"), (77, "unknown")],
)
async def test_an_exception_is_told_in_words(code: int, words: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readexactly(12)
        writer.write(request[:4] + struct.pack(">HBBB", 3, 1, 0x83, code))

    async with bus_to(refuse, 1.0) as bus:
        with pytest.raises(ReadFailedError, match=words) as caught:
            await bus.read(Stretch("holding", 0, 2), device_id=1, timeout_s=1.0)

    assert (caught.value.quality, caught.value.code) == (Quality.DEVICE_ERROR, code)
