"""Enrolment codes under any mixture of right and wrong attempts: who gets in, and how often."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.attempts import OF_ADDRESS_MAX, OF_ALL_MAX, WINDOW_S, Attempts
from telemetry.enrolment import (
    Code,
    EnrolmentError,
    decode_answer,
    decode_offer,
    decode_request,
    read_code,
)

ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "::1"])
STEPS = st.lists(st.tuples(st.floats(0, WINDOW_S / 2), ADDRESSES), max_size=120)


@given(STEPS)
def test_no_window_sees_more_wrong_codes_than_are_allowed(steps: list[tuple[float, str]]) -> None:
    attempts, now_s = Attempts(), 0.0
    looked_at: list[tuple[float, str]] = []
    told: list[float] = []
    for pause_s, address in steps:
        now_s += pause_s
        if attempts.may_try(address, now_s):
            looked_at.append((now_s, address))
            if attempts.was_wrong(address, now_s):
                told.append(now_s)
    for begins_s, _ in looked_at:
        within = [who for at_s, who in looked_at if begins_s <= at_s < begins_s + WINDOW_S]
        assert len(within) <= OF_ALL_MAX
        assert all(within.count(who) <= OF_ADDRESS_MAX for who in within)
    assert all(later - earlier >= WINDOW_S for earlier, later in pairwise(told))


@given(STEPS, ADDRESSES)
def test_nobody_is_barred_for_ever(steps: list[tuple[float, str]], address: str) -> None:
    attempts, now_s = Attempts(), 0.0
    for pause_s, one in steps:
        now_s += pause_s
        attempts.was_wrong(one, now_s)
    assert attempts.may_try(address, now_s + WINDOW_S)


@given(
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.from_regex(r"[A-Za-z0-9_-]{27}", fullmatch=True),
    st.none() | st.binary(min_size=32, max_size=32),
)
def test_a_code_survives_being_written_down(
    code_id: str, secret: str, fingerprint: bytes | None
) -> None:
    code = Code(code_id, secret, None if fingerprint is None else fingerprint.hex())
    assert read_code(str(code)) == code


@given(st.text() | st.from_regex(r"gwe\.[0-9a-f]{16}\.[A-Za-z0-9_-]{20,30}(\..*)?"))
def test_any_text_is_a_code_or_a_sentence(text: str) -> None:
    try:
        code = read_code(text)
        assert read_code(str(code)) == code
    except EnrolmentError as error:
        assert "edge-code" in str(error)  # noqa: PT017 - either is right, a crash is not


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_message_is_part_of_an_enrolment_or_a_sentence(message: str | bytes) -> None:
    for decode in (decode_offer, decode_request, decode_answer):
        try:
            decode(message)
        except EnrolmentError as error:
            assert str(error)  # noqa: PT017
