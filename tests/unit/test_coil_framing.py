"""What confirms the write of a coil, on both framings: its exact echo, and nothing else."""

import pytest
from pymodbus.framer import FramerRTU

from edge_agent.framing import Question, Unfinished, Whole, Wrong, judge_rtu, judge_tcp

ON = Question.about_coil(3, 20, on=True)
ECHO = bytes([20, 5, 0, 3, 0xFF, 0])
OFF = bytes([20, 5, 0, 3, 0, 0])
OTHER = bytes([20, 5, 0, 4, 0xFF, 0])
REFUSAL = bytes([20, 0x85, 2])
A_READ = bytes([20, 1, 1, 1])


def tcp(body: bytes) -> bytes:
    return bytes([0, 7, 0, 0, 0, len(body)]) + body


def rtu(body: bytes) -> bytes:
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def test_the_echo_and_an_exception_are_answers() -> None:
    for body in (ECHO, REFUSAL):
        assert judge_tcp(tcp(body), ON, 7) == Whole()
        assert judge_rtu(rtu(body), ON) == Whole()
    for end in range(len(tcp(ECHO))):
        assert judge_tcp(tcp(ECHO)[:end], ON, 7) == Unfinished()
    for end in range(len(rtu(ECHO))):
        assert judge_rtu(rtu(ECHO)[:end], ON) == Unfinished()


@pytest.mark.parametrize("body", [OFF, OTHER, A_READ, ECHO + b"\0"])
def test_anything_else_is_none(body: bytes) -> None:
    assert isinstance(judge_tcp(tcp(body), ON, 7), Wrong)
    assert isinstance(judge_rtu(rtu(body), ON), Wrong)


def test_the_late_echo_of_another_unit_is_passed_over() -> None:
    late = rtu(bytes([21, 5, 0, 3, 0xFF, 0]))
    assert judge_rtu(late + rtu(ECHO), ON) == Whole(passed_over=len(late))


def test_an_echo_is_no_answer_to_a_read() -> None:
    read = Question(20, 1, 1)
    assert isinstance(judge_tcp(tcp(ECHO), read, 7), Wrong)
    assert isinstance(judge_rtu(rtu(ECHO), read), Wrong)
