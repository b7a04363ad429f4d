"""Sealed frames: nobody else can write them, and none is taken twice."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import sealing
from telemetry.sealing import Opener, Sealer, SealError, Session

SESSION = Session("mine", "dam-edge", "5e55")
ROOT = sealing.root_key(sealing.token_hash("gw_0a1b_secret"))
NONCE = bytes(range(16))
OTHERS = [
    replace(SESSION, site="other"),
    replace(SESSION, edge="hill-edge"),
    replace(SESSION, name="5e56"),
]


def test_an_opening_names_its_token_and_proves_it() -> None:
    message = sealing.opening(ROOT, SESSION, "0a1b")

    assert sealing.token_id_in(message) == "0a1b"
    sealing.check_opening(ROOT, SESSION, message)


@pytest.mark.parametrize("session", OTHERS)
def test_nothing_of_one_session_opens_another(session: Session) -> None:
    with pytest.raises(SealError):
        sealing.check_opening(ROOT, session, sealing.opening(ROOT, SESSION, "0a1b"))
    with pytest.raises(SealError):
        sealing.nonce_in(ROOT, session, sealing.challenge(ROOT, SESSION, NONCE))
    sealed = Sealer(sealing.keys_of(ROOT, SESSION, NONCE).up).seal(b"frame")
    with pytest.raises(SealError):
        Opener(sealing.keys_of(ROOT, session, NONCE).up).open(sealed)


def test_without_the_token_nothing_is_believed() -> None:
    strange = sealing.root_key(sealing.token_hash("gw_0a1b_guess"))
    with pytest.raises(SealError):
        sealing.check_opening(ROOT, SESSION, sealing.opening(strange, SESSION, "0a1b"))
    with pytest.raises(SealError):
        sealing.nonce_in(ROOT, SESSION, sealing.challenge(strange, SESSION, NONCE))


def test_a_new_nonce_and_the_other_direction_have_other_keys() -> None:
    keys = sealing.keys_of(ROOT, SESSION, NONCE)
    sealed = Sealer(keys.up).seal(b"frame")

    assert Opener(keys.up).open(sealed) == b"frame"
    for key in (keys.down, sealing.keys_of(ROOT, SESSION, bytes(16)).up):
        with pytest.raises(SealError):
            Opener(key).open(sealed)


@given(order=st.permutations(range(20)), again=st.lists(st.integers(0, 19)))
def test_frames_are_taken_in_any_order_and_once(order: list[int], again: list[int]) -> None:
    sealer, opener = Sealer(b"key"), Opener(b"key")
    sealed = [sealer.seal(bytes([1, n])) for n in range(20)]

    assert [opener.open(sealed[n])[1] for n in order] == list(order)
    for n in again:
        with pytest.raises(SealError):
            opener.open(sealed[n])


def test_a_frame_that_thousands_have_overtaken_is_refused() -> None:
    sealer, opener = Sealer(b"key"), Opener(b"key")
    first, second = sealer.seal(b"1"), sealer.seal(b"2")
    for _ in range(sealing.COUNTERS_KEPT - 1):
        opener.open(sealer.seal(b"more"))

    assert opener.open(second) == b"2"
    with pytest.raises(SealError):
        opener.open(first)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SealError):
        Opener(b"key").open(data)
    with pytest.raises(SealError):
        sealing.nonce_in(ROOT, SESSION, data)
    with pytest.raises(SealError):
        sealing.check_opening(ROOT, SESSION, data)


def test_a_changed_bit_is_noticed_wherever_it_is() -> None:
    chance = random.Random(1)
    for make, read in (
        (lambda: Sealer(b"key").seal(b"a frame"), lambda data: Opener(b"key").open(data)),
        (
            lambda: sealing.challenge(ROOT, SESSION, NONCE),
            lambda data: sealing.nonce_in(ROOT, SESSION, data),
        ),
    ):
        for _ in range(200):
            changed = bytearray(make())
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            with pytest.raises(SealError):
                read(bytes(changed))
