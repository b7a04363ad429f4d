"""Frames: which bytes are the answer to a question; all others are a reason, never a number.

What is checked before pymodbus decodes anything:

|                         | Modbus TCP                    | RTU                              |
|-------------------------|-------------------------------|----------------------------------|
| whose answer            | transaction, protocol, unit   | unit                             |
| of which kind           | function, or its exception    | function, or its exception       |
| how long                | length field and byte count   | byte count                       |
| nothing behind it       | yes                           | yes                              |
| whether it arrived well | TCP's own checksum            | CRC                              |

Bytes of the values themselves are protected by the CRC, or by TCP's checksum alone. On a serial
line a whole frame of another unit is a late answer to an earlier question, and is passed over.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.framer.base import FramerBase
from pymodbus.pdu import ModbusPDU

from edge_agent.registers import Stretch
from telemetry.register import FUNCTIONS

EXCEPTION_BIT: Final = 0x80
MBAP_BYTES: Final = 6  # Transaction, protocol and length; the length counts what follows.
_HEADER: Final = Struct(">HHH")
WRITE_COIL: Final = 5
COIL_ON: Final = 0xFF00
ECHO_BYTES: Final = 8  # Of a frame that answers the write of a coil on a serial line.
RTU_BYTES: Final = 5  # Unit, function, byte count or exception code, and the CRC.


@dataclass(frozen=True, slots=True)
class Question:
    """What a device was asked."""

    unit: int
    function: int
    value_bytes: int  # Of the values in the right answer.
    echo: bytes | None = None  # What a write is answered with behind unit and function.

    @staticmethod
    def about(stretch: Stretch, unit: int) -> "Question":
        """Put the question for a stretch of registers or bits."""
        count = (stretch.words + 7) // 8 if stretch.is_of_bits else 2 * stretch.words
        return Question(unit, FUNCTIONS[stretch.table], count)

    @staticmethod
    def about_coil(address: int, unit: int, *, on: bool) -> "Question":
        """Put the question that drives a coil; the right answer repeats it."""
        echo = Struct(">HH").pack(address, COIL_ON if on else 0)
        # A byte less than the echo: the answer to a read has a byte count before its values.
        return Question(unit, WRITE_COIL, len(echo) - 1, echo)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """So far it may be the answer; more bytes must come."""

    passed_over: int = 0  # Bytes at the beginning that are of another unit.


@dataclass(frozen=True, slots=True)
class Wrong:
    """It is not the answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Whole:
    """It is the answer, and begins behind what is passed over."""

    passed_over: int = 0


Verdict = Unfinished | Wrong | Whole


def judge_tcp(
    data: bytes, question: Question, transaction: int, *, zero_is_accepted: bool = False
) -> Verdict:
    """Judge what has come so far on a Modbus TCP connection since the question."""
    if len(data) < MBAP_BYTES + 1:
        return Unfinished()
    given, protocol, length = _HEADER.unpack_from(data)
    wrong: Verdict | None = None
    if given != transaction and not (zero_is_accepted and given == 0):
        hint = "" if given else "; a gateway that always does so needs zero_transaction_ids: true"
        wrong = Wrong(f"the answer has the transaction number {given}, not {transaction}{hint}")
    elif protocol != 0:
        wrong = Wrong("what came is no Modbus TCP: its protocol number is not 0")
    elif data[MBAP_BYTES] != question.unit:
        wrong = Wrong(f"unit {data[MBAP_BYTES]} answered for unit {question.unit}")
    elif length not in {3, 3 + question.value_bytes}:
        wrong = Wrong(f"the answer is {length} bytes long, not {3 + question.value_bytes}")
    else:
        wrong = _judge_kind(data[MBAP_BYTES:], question, is_exception=length == 3)
    return wrong or _judge_length(data, MBAP_BYTES + length)


def judge_rtu(data: bytes, question: Question) -> Verdict:
    """Judge what has come so far on a serial line, or on what stands for one."""
    passed_over = 0
    while passed_over < len(data) and data[passed_over] != question.unit:
        others = _judge_of_another(data[passed_over:])
        if not isinstance(others, int):
            return others
        passed_over += others
    frame = data[passed_over:]
    is_exception = len(frame) > 1 and frame[1] >= EXCEPTION_BIT
    size = RTU_BYTES + (0 if is_exception else question.value_bytes)
    verdict: Verdict | None = _judge_kind(frame, question, is_exception=is_exception)
    if verdict is None and len(frame) >= size and not _has_good_crc(frame[:size]):
        verdict = Wrong("the answer was damaged on the line: its checksum is wrong")
    verdict = verdict or _judge_length(frame, size)
    return verdict if isinstance(verdict, Wrong) else replace(verdict, passed_over=passed_over)


def _judge_of_another(frame: bytes) -> int | Verdict:
    """Tell how many bytes the frame of another unit has, if it is one and whole."""
    if len(frame) < 3:
        return Unfinished()
    if frame[1] < EXCEPTION_BIT and frame[1] not in {*FUNCTIONS.values(), WRITE_COIL}:
        return Wrong("noise came instead of an answer")
    size = RTU_BYTES + (0 if frame[1] >= EXCEPTION_BIT else frame[2])
    if frame[1] == WRITE_COIL:
        size = ECHO_BYTES
    if len(frame) < size:
        return Unfinished()
    if not _has_good_crc(frame[:size]):
        return Wrong("noise came instead of an answer: its checksum is wrong")
    return size


def _judge_kind(data: bytes, question: Question, *, is_exception: bool) -> Wrong | None:
    """Judge function and byte count as far as they are there; both framings agree on them."""
    if len(data) >= 2:
        wanted = question.function | EXCEPTION_BIT if is_exception else question.function
        if data[1] != wanted:
            return Wrong(f"the answer is to function {data[1]}, not {question.function}")
    if question.echo is not None:
        said = data[2 : 2 + len(question.echo)]
        if not is_exception and not question.echo.startswith(said):
            return Wrong("the answer confirms another write than was asked for")
        return None
    if len(data) >= 3 and not is_exception and data[2] != question.value_bytes:
        return Wrong(f"the answer holds {data[2]} bytes of values, not {question.value_bytes}")
    return None


def _judge_length(data: bytes, size: int) -> Verdict:
    if len(data) < size:
        return Unfinished()
    if len(data) > size:
        return Wrong(f"{len(data) - size} more bytes came than an answer has")
    return Whole()


def _has_good_crc(frame: bytes) -> bool:
    return FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))


def values_in(answer: ModbusPDU, stretch: Stretch) -> NDArray[np.uint16] | None:
    """Take the words of a stretch, or its bits as 0 and 1, out of an answer; None: too few."""
    values = answer.bits if stretch.is_of_bits else answer.registers
    if len(values) < stretch.words:
        return None
    return np.array(values[: stretch.words], np.uint16)


class WrongAnswer(ModbusPDU):
    """What a framer hands over in place of an answer that it refuses."""

    def __init__(self, reason: str, *, unit: int, transaction: int) -> None:
        super().__init__(dev_id=unit, transaction_id=transaction)
        self.reason = reason


class _StrictFramer(FramerBase):
    """Takes one answer to one question; whatever comes without a question is only counted."""

    question: Question | None = None
    stray_bytes: int = 0
    passed_over_bytes: int = 0  # Of other units, while this question was open.

    def ask(self, question: Question) -> None:
        """Expect the answer to a question from now on."""
        self.question = question
        self.passed_over_bytes = 0

    def handleFrame(  # noqa: N802 (pymodbus calls it so)
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, ModbusPDU | None]:
        """Hand over the answer, or why there is none, as soon as that is known."""
        question = self.question
        if question is None:
            self.stray_bytes += len(data)
            return len(data), None
        verdict = self.judge(data, question, exp_tid)
        if isinstance(verdict, Unfinished):
            self.passed_over_bytes += verdict.passed_over
            return verdict.passed_over, None
        self.question = None
        if isinstance(verdict, Wrong):
            return len(data), WrongAnswer(verdict.reason, unit=exp_devid, transaction=exp_tid)
        _, _, _, body = self.decode(data[verdict.passed_over :])
        pdu = self.decoder.decode(body) if body else None
        if pdu is None:
            reason = "pymodbus cannot decode the answer"
            return len(data), WrongAnswer(reason, unit=exp_devid, transaction=exp_tid)
        pdu.dev_id, pdu.transaction_id = exp_devid, exp_tid
        return len(data), pdu

    @abstractmethod
    def judge(self, data: bytes, question: Question, transaction: int) -> Verdict:
        """Judge what has come since the question."""


class StrictSocketFramer(_StrictFramer, FramerSocket):
    """Frames of Modbus TCP."""

    zero_is_accepted: bool = False

    def judge(self, data: bytes, question: Question, transaction: int) -> Verdict:
        """Judge by the header."""
        return judge_tcp(data, question, transaction, zero_is_accepted=self.zero_is_accepted)


class StrictRtuFramer(_StrictFramer, FramerRTU):
    """Frames of a serial line."""

    def judge(self, data: bytes, question: Question, transaction: int) -> Verdict:  # noqa: ARG002
        """Judge by the CRC; there are no transactions."""
        return judge_rtu(data, question)
