"""A bus: one line to Modbus devices, on which one question at a time is answered or fails.

A reply that comes late must not be taken for the answer to the next question. Proper Modbus TCP
tells them apart by transaction numbers. RTU has none, and some gateways always send 0, so there:

1. After a question that was not answered well the connection is closed; a serial line is emptied
   instead, and is silent for 3.5 characters before each question.
2. Before a unit that owes a reply is asked again, it is asked for another number of registers.
   Only an answer of that length shows that the late reply is not still on its way; where the
   unit refuses that question, only the numbers that it was asked for do.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from edge_agent.exceptions import exception_in_words
from edge_agent.framing import Question, WrongAnswer, values_in
from edge_agent.line import Address, Client, Line, on_the_wire_s, silence_s, where_is, why_not
from edge_agent.registers import Stretch
from edge_agent.schedule import Backoff
from telemetry.clock import real_monotonic_s
from telemetry.lifetime import heed_cancellation
from telemetry.quality import Quality
from telemetry.sources import ModbusRtu, ModbusTcp

RECONNECT_LEAST_S: Final = 0.2
RECONNECT_MOST_S: Final = 5.0
SILENCES_MOST: Final = 50  # A line that never falls silent has another master, or is broken.

# pymodbus logs each failed request; we log when a unit fails and when it is back.
logging.getLogger("pymodbus").addHandler(logging.NullHandler())
logging.getLogger("pymodbus").propagate = False


Send = Callable[[Client], Awaitable[ModbusPDU]]


@dataclass(frozen=True, slots=True)
class Request:
    """A question to one unit, and how it is sent."""

    question: Question
    send: Send
    about: str  # In words, for complaints.

    @staticmethod
    def for_stretch(stretch: Stretch, device_id: int) -> "Request":
        """Ask for registers or bits."""
        question = Question.about(stretch, device_id)
        return Request(question, lambda client: _read(client, stretch, device_id), str(stretch))


class ReadFailedError(Exception):
    """Registers could not be read: the slots they stand for get a quality, never a number."""

    def __init__(self, quality: Quality, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.quality = quality
        self.code = code  # Of a Modbus exception.


class _HungUpError(Exception):
    """The other side closed the connection while it was asked."""


class Bus:
    """One line to a device, to a gateway, or to a serial port with several devices."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._line: Line | None = None
        self._backoff = Backoff(RECONNECT_LEAST_S, RECONNECT_MOST_S)
        self._turn = asyncio.Lock()  # A sounder may share the line with the polling.
        self._owing: set[int] = set()  # Units whose reply may still come.
        self._tells_late_replies = (
            isinstance(address, ModbusTcp) and not address.zero_transaction_ids
        )

    async def connect(self, timeout_s: float) -> None:
        """Make sure that there is a connection, or raise `ReadFailedError`."""
        async with self._turn:
            await self._connect(timeout_s)

    async def _connect(self, timeout_s: float) -> None:
        if self._line is not None and self._line.is_open and not self._line.is_suspect:
            return
        self.close()
        where = where_is(self._address)
        if not self._backoff.allows(real_monotonic_s()):
            raise ReadFailedError(Quality.NO_CONNECTION, f"no connection to {where}")
        line = Line(self._address)
        try:
            async with asyncio.timeout(timeout_s):
                connected = await line.open()
            heed_cancellation()
        except (TimeoutError, OSError, ValueError):  # The last from a resolver that takes no name.
            connected = False
        except asyncio.CancelledError:
            line.close()
            raise
        if not connected:
            line.close()
            self._backoff.failed(real_monotonic_s())
            raise ReadFailedError(
                Quality.NO_CONNECTION, f"cannot connect to {where}{why_not(self._address)}"
            )
        self._backoff.succeeded()
        self._line = line

    async def read(
        self, stretch: Stretch, *, device_id: int, timeout_s: float
    ) -> NDArray[np.uint16]:
        """Read registers, or bits as 0 and 1, in one request, or raise `ReadFailedError`."""
        async with self._turn:
            await self._connect(timeout_s)
            if device_id in self._owing:
                await self._settle(stretch, device_id, timeout_s)
            request = Request.for_stretch(stretch, device_id)
            answer = _good(await self._ask(request, timeout_s), request)
            values = values_in(answer, stretch)
            if values is None:
                raise self._refused("the answer is too short", request)
            return values

    async def ask(self, request: Request, timeout_s: float) -> None:
        """Ask what is answered with nothing but a yes, or raise `ReadFailedError`.

        A late reply cannot be taken for the answer: it is to another function, or repeats another
        write.
        """
        async with self._turn:
            await self._connect(timeout_s)
            _good(await self._ask(request, timeout_s), request)

    async def _settle(self, stretch: Stretch, device_id: int, timeout_s: float) -> None:
        """Find out whether a unit that owes a reply is in step again, or raise."""
        # Another length in bytes: up to eight bits take one.
        together = 8 if stretch.is_of_bits else 1
        other = 1 if stretch.words > together else stretch.words + together
        question = Stretch(stretch.table, stretch.address, other)
        await self._ask(Request.for_stretch(question, device_id), timeout_s)

    async def _ask(self, request: Request, timeout_s: float) -> ModbusPDU:
        """Ask, and once more where an old connection turns out to be dead."""
        device_id = request.question.unit
        was_used = self._line is not None and self._line.is_used
        try:
            answer = await self._ask_once(request, timeout_s)
        except _HungUpError as error:
            self._hung_up(device_id)
            if not was_used:
                message = f"the line was closed while unit {device_id} was asked"
                raise ReadFailedError(Quality.NO_REPLY, message) from error
        else:
            if not isinstance(answer, ExceptionResponse):  # Those are all of one length.
                self._owing.discard(device_id)
            return answer
        await self._connect(timeout_s)
        try:
            # Whichever of the two replies comes is good; the other one is still owed.
            return await self._ask_once(request, timeout_s)
        except _HungUpError as error:
            self._hung_up(device_id)
            message = f"the line was closed twice while unit {device_id} was asked"
            raise ReadFailedError(Quality.NO_REPLY, message) from error

    def _hung_up(self, device_id: int) -> None:
        """Note that what was asked may have gone on to the unit, and its reply may still come."""
        if not self._tells_late_replies:
            self._owing.add(device_id)
        self.close()

    async def _ask_once(self, request: Request, timeout_s: float) -> ModbusPDU:
        """Send a request and wait for what comes back, or get the line clear of it."""
        line, question = self._line, request.question
        device_id = question.unit
        assert line is not None
        await self._wait_for_silence(line, device_id)
        within_s = timeout_s + on_the_wire_s(self._address, question.value_bytes)
        line.framer.ask(question)
        try:
            async with asyncio.timeout(within_s):
                answer = await request.send(line.client)
            heed_cancellation()
        except ConnectionException as error:
            raise _HungUpError from error
        except (TimeoutError, ModbusException, OSError) as error:
            others = line.framer.passed_over_bytes
            self._give_up(device_id)
            told = "; only other units did" if others else ""
            message = f"unit {device_id} did not answer within {within_s:.2f} s{told}"
            raise ReadFailedError(Quality.NO_REPLY, message) from error
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            line.framer.question = None
        if isinstance(answer, WrongAnswer):
            raise self._refused(answer.reason, request)
        line.is_used = True
        return answer

    async def _wait_for_silence(self, line: Line, device_id: int) -> None:
        """Let a serial line fall silent; what comes meanwhile is nobody's answer any more."""
        pause_s = silence_s(self._address)
        if not pause_s:
            return
        for _ in range(SILENCES_MOST):
            heard = line.framer.stray_bytes
            await asyncio.sleep(pause_s)
            if line.framer.stray_bytes == heard:
                line.flush_input()
                return
        message = (
            f"unit {device_id} was not asked: the line never falls silent. "
            "Remedy: look for a second master, or for a fault of wiring or termination"
        )
        raise ReadFailedError(Quality.NO_REPLY, message)

    def _refused(self, reason: str, request: Request) -> ReadFailedError:
        """Whatever was answered, it is not what was asked."""
        self._give_up(request.question.unit)
        message = f"unit {request.question.unit} gave a wrong answer to {request.about}: {reason}"
        return ReadFailedError(Quality.DEVICE_ERROR, message)

    def _give_up(self, device_id: int) -> None:
        """Remember that a reply may still come, and leave it nothing to come to."""
        if not self._tells_late_replies:
            self._owing.add(device_id)
        if isinstance(self._address, ModbusRtu):
            assert self._line is not None
            self._line.flush_input()
        else:
            self.close()

    def close(self) -> None:
        """Close the connection, if there is one; the next read opens another."""
        if self._line is not None:
            self._line.close()
            self._line = None


def _good(answer: ModbusPDU, request: Request) -> ModbusPDU:
    """Hand an answer on, or raise what the unit complains about."""
    if isinstance(answer, ExceptionResponse):
        code = answer.exception_code
        raise ReadFailedError(
            Quality.DEVICE_ERROR,
            f"unit {request.question.unit} answered with exception {code} "
            f"({exception_in_words(code)}) to {request.about}",
            code=code,
        )
    return answer


async def _read(client: Client, stretch: Stretch, device_id: int) -> ModbusPDU:
    """Send the request of a table."""
    ask = {
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
    }[stretch.table]
    return await ask(stretch.address, count=stretch.words, device_id=device_id)
