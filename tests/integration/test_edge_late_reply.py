"""Devices that answer late, or wrongly: no value may land on another register.

Gateways that answer with transaction 0, converters and serial lines give a client nothing to
tell a late reply by from the one that it waits for.
"""

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from pymodbus.framer import FramerRTU
from serial_line import serial_line
from stream_server import Answer, stream_server
from waiting import until

from edge_agent.modbus import Bus, ReadFailedError
from edge_agent.registers import Stretch
from telemetry.clock import real_monotonic_s
from telemetry.quality import Quality
from telemetry.sources import ModbusRtu, ModbusRtuOverTcp, ModbusTcp

TIMEOUT_S = 0.1


@asynccontextmanager
async def bus_to(
    answer: Answer, timeout_s: float, *, as_rtu: bool = False, zero_is_accepted: bool = True
) -> AsyncIterator[Bus]:
    """A bus whose device answers like this; in the end every connection has been closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        await reader.readexactly(1)  # Until the bus hangs up.

    async with stream_server(serve) as port:
        where = {"host": "127.0.0.1", "port": port, "timeout_s": timeout_s}
        tcp = ModbusTcp.model_validate({**where, "zero_transaction_ids": zero_is_accepted})
        bus = Bus(ModbusRtuOverTcp.model_validate(where) if as_rtu else tcp)
        try:
            yield bus
        finally:
            bus.close()


def rtu(body: bytes) -> bytes:
    """A frame of a serial line."""
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


class LateDevice:
    """Answers one question after the other; those in `late` only when the next one has come.

    What it still owes outlives a connection, as it does in a converter to a serial line. Each
    register holds its own address.
    """

    def __init__(self, late: set[int], *, as_rtu: bool) -> None:
        self.late = late
        self.as_rtu = as_rtu
        self.questions = 0
        self.connections = 0
        self._owed = b""

    def reply_to(self, question: bytes) -> bytes:
        """What the device sends once this question has come."""
        self.questions += 1
        body = question[:-2] if self.as_rtu else question[6:]
        unit, function, address, count = struct.unpack(">BBHH", body)
        words = struct.pack(f">{count}H", *range(address, address + count))
        answer = struct.pack(">BBB", unit, function, len(words)) + words
        frame = rtu(answer) if self.as_rtu else struct.pack(">HHH", 0, 0, len(answer)) + answer
        self._owed += frame
        if self.questions in self.late:
            return b""
        reply, self._owed = self._owed, b""
        return reply

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            writer.write(self.reply_to(await reader.readexactly(8 if self.as_rtu else 12)))


async def numbers_read(bus: Bus, count: int, words: int = 2) -> list[int]:
    """Read one stretch after the other; return which could be read, and check each number."""
    good: list[int] = []
    for number in range(1, count + 1):
        stretch = Stretch("holding", 10 * number, words)
        with suppress(ReadFailedError):
            read = await bus.read(stretch, device_id=1, timeout_s=TIMEOUT_S)
            assert read.tolist() == list(range(stretch.address, stretch.end))
            good.append(number)
    return good


LATE = {3, 5, 6, 11, 19}


@pytest.mark.parametrize("words", [1, 2, 100])
@pytest.mark.parametrize("as_rtu", [False, True], ids=["gateway", "converter"])
async def test_a_late_reply_is_never_taken_for_the_next_answer(as_rtu: bool, words: int) -> None:
    slow = LateDevice(LATE, as_rtu=as_rtu)
    async with bus_to(slow.answer, TIMEOUT_S, as_rtu=as_rtu) as bus:
        good = await numbers_read(bus, 20, words)

    assert 8 <= len(good) <= 20 - len(LATE)
    assert good[-1] == 20
    assert slow.connections > len(LATE)  # A new one after every time-out.


@pytest.mark.parametrize("words", [1, 2, 100])
async def test_a_late_reply_on_a_serial_line_is_never_taken_for_the_next_answer(words: int) -> None:
    slow = LateDevice(LATE, as_rtu=True)
    with serial_line() as line:
        waiting = bytearray()

        def carry(content: bytes) -> bytes:
            waiting.extend(content)
            question = bytes(waiting)
            return b"" if len(question) < 8 else answered(question)

        def answered(question: bytes) -> bytes:
            waiting.clear()
            os.write(device, slow.reply_to(question))
            return b""

        line.to_device = carry
        device = os.open(line.device, os.O_RDWR | os.O_NOCTTY)
        bus = Bus(ModbusRtu(device=line.master, baud_rate=115_200, timeout_s=TIMEOUT_S))
        try:
            good = await numbers_read(bus, 20, words)
        finally:
            bus.close()
            os.close(device)

    assert 8 <= len(good) <= 20 - len(LATE)
    assert good[-1] == 20


async def test_a_neighbours_late_reply_is_passed_over() -> None:
    """On a serial line a whole frame of another unit is no fault of the one that is asked."""

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        late = rtu(bytes.fromhex("02 03 04 0063 0063"))
        writer.write(late + rtu(bytes.fromhex("01 03 04 0007 0008"))[:4])
        await writer.drain()
        writer.write(rtu(bytes.fromhex("01 03 04 0007 0008"))[4:])

    async with bus_to(both, 1.0, as_rtu=True) as bus:
        words = await bus.read(Stretch("holding", 0, 2), device_id=1, timeout_s=1.0)

    assert words.tolist() == [7, 8]


async def test_a_gateway_with_zeros_for_transactions_must_be_named_as_one() -> None:
    slow = LateDevice(set(), as_rtu=False)
    async with bus_to(slow.answer, TIMEOUT_S, zero_is_accepted=False) as bus:
        with pytest.raises(ReadFailedError, match="zero_transaction_ids: true") as caught:
            await bus.read(Stretch("holding", 0, 2), device_id=1, timeout_s=TIMEOUT_S)

    assert caught.value.quality == Quality.DEVICE_ERROR


FOUR_WORDS = "0001 0002 0003 0004"
WRONG_ANSWERS = {
    "unit": (f"02 03 08 {FOUR_WORDS}", "unit 2 answered for unit 1"),
    "function": (f"01 04 08 {FOUR_WORDS}", "to function 4, not 3"),
    "exception of another function": ("01 84 02", "to function 132, not 3"),
    "byte count": ("01 03 06 0001 0002 0003", "bytes"),
    "more than was asked": (f"01 03 0a {FOUR_WORDS} 0005", "bytes"),
    "extra bytes": (f"01 03 08 {FOUR_WORDS} + ff", "more bytes"),
}


@pytest.mark.parametrize("as_rtu", [False, True], ids=["tcp", "rtu over tcp"])
@pytest.mark.parametrize("case", list(WRONG_ANSWERS))
async def test_a_wrong_answer_is_told_for_what_it_is(case: str, as_rtu: bool) -> None:
    written, told = WRONG_ANSWERS[case]
    head, _, behind = written.partition("+")
    body = bytes.fromhex(head)

    async def wrong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.readexactly(8 if as_rtu else 12)
        frame = rtu(body) if as_rtu else question[:4] + struct.pack(">H", len(body)) + body
        writer.write(frame + bytes.fromhex(behind))

    if as_rtu and case == "unit":
        told = "only other units did"
    async with bus_to(wrong, TIMEOUT_S, as_rtu=as_rtu) as bus:
        with pytest.raises(ReadFailedError, match=told):
            await bus.read(Stretch("holding", 0, 4), device_id=1, timeout_s=TIMEOUT_S)


async def test_a_device_that_hangs_up_is_asked_once_more_if_the_line_was_old() -> None:
    connections: list[int] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question on each connection, and hang up at the second."""
        connections.append(1)
        for number in range(2):
            question = await reader.readexactly(12)
            if number == 0:
                writer.write(question[:4] + bytes.fromhex("0005 01 03 02 002a"))
        writer.close()

    async with bus_to(once, 5.0, zero_is_accepted=False) as bus:
        words = [
            await bus.read(Stretch("holding", 0, 1), device_id=1, timeout_s=5.0) for _ in range(4)
        ]

    assert [one.tolist() for one in words] == [[42]] * 4
    assert len(connections) == 4


async def test_bytes_that_nobody_asked_for_make_a_new_connection() -> None:
    """A reply that comes twice must not be the answer to the next question, too."""
    connections: list[int] = []

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while True:
            question = await reader.readexactly(8)
            answer = question[:2] + b"\2" + question[2:4]  # The register's address.
            writer.write(rtu(answer))
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(rtu(answer))

    async with bus_to(twice, 5.0, as_rtu=True) as bus:
        for address in range(10):
            with suppress(ReadFailedError):  # Where both copies came in one piece.
                words = await bus.read(Stretch("holding", address, 1), device_id=1, timeout_s=5.0)
                assert words.tolist() == [address]
            line = bus._line
            await until(lambda line=line: line is None or line.is_suspect)

    assert len(connections) == 10


async def test_a_device_that_always_hangs_up_fails_at_once() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(12)
        writer.close()

    began_s = real_monotonic_s()
    async with bus_to(never, 30.0) as bus:
        with pytest.raises(ReadFailedError, match="the line was closed") as caught:
            await bus.read(Stretch("holding", 0, 1), device_id=1, timeout_s=30.0)

    assert caught.value.quality == Quality.NO_REPLY
    assert real_monotonic_s() - began_s < 15.0


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


class LaggingDevice(LateDevice):
    """Once it was late it stays so: with each question comes what the one before asked for.

    It gives no more than a word at once, as devices do that have only single registers there.
    """

    def __init__(self, late: set[int], *, words_most: int = 1, cuts: bool = False) -> None:
        super().__init__(late, as_rtu=True)
        self.cuts = cuts  # Then the connection breaks, too.
        self.words_most = words_most
        self._queue: list[bytes] = []

    def reply_to(self, question: bytes) -> bytes:
        self.questions += 1
        unit, function, address, count = struct.unpack(">BBHH", question[:-2])
        words = struct.pack(f">{count}H", *range(address, address + count))
        answer = struct.pack(">BBB", unit, function, len(words)) + words
        if count > self.words_most:
            answer = struct.pack(">BBB", unit, function | 0x80, 2)
        self._queue.append(rtu(answer))
        return b"" if self.questions in self.late else self._queue.pop(0)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            writer.write(self.reply_to(await reader.readexactly(8)))
            if self.cuts and self.questions in self.late:
                writer.close()


async def test_an_exception_does_not_show_that_a_unit_is_in_step_again() -> None:
    """Exceptions are of one length: the one that came may be the answer to an older question."""
    slow = LaggingDevice({3})
    async with bus_to(slow.answer, TIMEOUT_S, as_rtu=True) as bus:
        good = await numbers_read(bus, 20, words=1)

    assert good == [1, 2]  # What comes later stands for other registers, until it is in step.


async def test_a_unit_that_refuses_to_be_asked_for_more_is_read_again_after_a_late_reply() -> None:
    class Recovering(LaggingDevice):
        def reply_to(self, question: bytes) -> bytes:
            if self.questions == 3:
                self._queue.clear()  # The reply was lost for good.
            return super().reply_to(question)

    slow = Recovering({3})
    async with bus_to(slow.answer, TIMEOUT_S, as_rtu=True) as bus:
        good = await numbers_read(bus, 8, words=1)

    assert good == [1, 2, 4, 5, 6, 7, 8]


async def test_what_was_asked_before_a_converter_hung_up_may_still_be_answered() -> None:
    slow = LaggingDevice({3}, words_most=100, cuts=True)
    async with bus_to(slow.answer, TIMEOUT_S, as_rtu=True) as bus:
        good = await numbers_read(bus, 20)

    assert good == [1, 2, 3]  # The third was asked twice: either reply is good.


async def test_a_converter_that_answers_once_on_each_connection_is_read_all_the_same() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question, and hang up at the second."""
        question = await reader.readexactly(8)
        words = question[2:4] * question[5]  # Each register holds the address asked for.
        writer.write(rtu(question[:2] + bytes([len(words)]) + words))
        await reader.readexactly(8)
        writer.close()

    async with bus_to(once, 5.0, as_rtu=True) as bus:
        words = [
            await bus.read(Stretch("holding", address, 1), device_id=1, timeout_s=5.0)
            for address in range(5)
        ]

    assert [one.tolist() for one in words] == [[address] for address in range(5)]
