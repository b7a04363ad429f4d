"""When a message is tried again, and who may be told at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.notify.destinations import DestinationsError, read_destinations, read_secret
from alarms.notify.retry import (
    ASKED_PAUSE_MAX_S,
    LONGEST_PAUSE_S,
    REFUSED_GIVE_UP_S,
    REFUSED_LONGEST_PAUSE_S,
    Again,
    Failure,
    GiveUp,
    next_try,
)
from telemetry.site import Level


@given(
    failure=st.sampled_from(Failure),
    tries=st.integers(1, 10**6),
    age_s=st.floats(0, REFUSED_GIVE_UP_S - 1),
    dice=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.floats(0, 1e12),
)
def test_a_pause_is_never_too_long(
    failure: Failure, tries: int, age_s: float, dice: float, asked: float | None
) -> None:
    decision = next_try(failure, tries=tries, age_s=age_s, dice=dice, asked_pause_s=asked)
    assert isinstance(decision, Again)
    longest_s = LONGEST_PAUSE_S if failure is Failure.UNAVAILABLE else REFUSED_LONGEST_PAUSE_S
    assert 0 < decision.pause_s <= max(longest_s, 0 if asked is None else ASKED_PAUSE_MAX_S)


def test_pauses_double_and_are_shortened_by_half_at_most() -> None:
    def pause_s(tries: int, dice: float) -> float:
        decision = next_try(Failure.UNAVAILABLE, tries=tries, age_s=0, dice=dice)
        assert isinstance(decision, Again)
        return decision.pause_s

    assert [pause_s(tries, 0) for tries in (1, 2, 3, 9, 10)] == [1, 2, 4, 256, 300]
    assert pause_s(3, 0.5) == 3


def test_only_a_refusal_is_given_up() -> None:
    old = REFUSED_GIVE_UP_S
    assert next_try(Failure.REFUSED, tries=5, age_s=old, dice=0) == GiveUp()
    assert next_try(Failure.UNAVAILABLE, tries=5, age_s=100 * old, dice=0) == Again(16)


GOOD = '[[webhook]]\nid = "phone"\nurl = "https://a.example/x"\nsecret_file = "s"\n'


def test_a_destination_is_told_of_its_levels(tmp_path: Path) -> None:
    path = tmp_path / "webhooks.toml"
    path.write_text(GOOD + 'levels = ["red"]\n', encoding="utf-8")
    [webhook] = read_destinations(path)
    assert webhook.wants(Level.RED)
    assert not webhook.wants(Level.ORANGE)
    assert webhook.secret_file == tmp_path / "s"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[webhook]\n", "not valid TOML"),
        (GOOD + 'colour = "red"\n', "colour"),
        (GOOD + 'levels = ["purple"]\n', "levels"),
        (GOOD + "levels = []\n", "levels"),
        (GOOD.replace("https", "http"), "unencrypted"),
        (GOOD.replace("https", "ftp"), "https://"),
        (GOOD.replace("https://", "https://user:secret@"), "no password"),
        (GOOD.replace("a.example", "a.example:99999"), "a port is a number up to 65535"),
        (GOOD.replace("a.example", "a.example:https"), "a port is a number up to 65535"),
        (GOOD + 'proxy = "10.0.0.1:3128"\n', "proxy is written like"),
        (GOOD + 'proxy = "http://10.0.0.1:99999"\n', "a port is a number up to 65535"),
        (GOOD + 'proxy = "socks5://10.0.0.1:1080"\n', "proxy is written like"),
        (GOOD + GOOD, "more than once"),
        (GOOD.replace('id = "phone"', 'id = "Phone!"'), "id"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "webhooks.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DestinationsError) as refused:
        read_destinations(path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]/x"])
def test_this_machine_may_be_told_without_encryption(tmp_path: Path, url: str) -> None:
    path = tmp_path / "webhooks.toml"
    path.write_text(GOOD.replace("https://a.example/x", url), encoding="utf-8")
    assert len(read_destinations(path)) == 1


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", "é"])
def test_a_weak_or_broken_secret_is_refused(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "webhooks.toml"
    path.write_text(GOOD, encoding="utf-8")
    (tmp_path / "s").write_text(secret, encoding="utf-8")
    [webhook] = read_destinations(path)
    with pytest.raises(DestinationsError):
        read_secret(webhook)
