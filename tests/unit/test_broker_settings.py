"""Where a broker is, and how to come in: understood, or refused with a sentence."""

from pathlib import Path

import pytest

from carriers.broker_settings import (
    BrokerSettingsError,
    BrokerUrl,
    read_broker_settings,
    read_broker_url,
    shows_password_to_all,
)
from ingest.centre_checks import _about_broker


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("mqtt://broker", BrokerUrl("broker", 1883, encrypted=False)),
        ("mqtts://broker/", BrokerUrl("broker", 8883, encrypted=True)),
        ("mqtt://[::1]:1884", BrokerUrl("::1", 1884, encrypted=False)),
    ],
)
def test_an_address_is_read(text: str, url: BrokerUrl) -> None:
    assert read_broker_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["", "broker:1883", "ws://broker", "mqtt://", "mqtt://a:b@c", "mqtt://a:99999", "mqtt://a/b"],
)
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(BrokerSettingsError, match="is not like mqtt://HOST:PORT"):
        read_broker_url(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"user = 1", r"user: .*allowed are .*\busername\b"),
        (b"username = 1", "username: "),
        (b"= 1", "is not TOML"),
        (b'key_file = "k"', "a key_file needs the certificate_file"),
        (b"\xff", "is not TOML"),
    ],
)
def test_wrong_settings_are_told(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "broker.toml"
    path.write_bytes(content)
    with pytest.raises(BrokerSettingsError, match=words):
        read_broker_settings(path)


def test_a_password_is_read_from_its_file(tmp_path: Path) -> None:
    path, password = tmp_path / "broker.toml", tmp_path / "password"
    path.write_text(f'username = "us"\npassword_file = "{password}"\n')
    settings = read_broker_settings(path)
    with pytest.raises(BrokerSettingsError, match="cannot be read"):
        settings.password()
    password.write_text("\n")
    with pytest.raises(BrokerSettingsError, match="is empty"):
        settings.password()
    password.write_text("very secret\n")
    assert settings.password() == "very secret"
    assert shows_password_to_all(read_broker_url("mqtt://far.example"), settings)
    assert not shows_password_to_all(read_broker_url("mqtts://far.example"), settings)
    assert not shows_password_to_all(read_broker_url("mqtt://127.0.0.1"), settings)


def test_the_centre_does_not_start_with_a_wrong_broker(tmp_path: Path) -> None:
    assert _about_broker(None, None) == []
    assert _about_broker("mqtt://broker", None) == []
    assert "means nothing" in _about_broker(None, tmp_path / "broker.toml")[0]
    assert "cannot be read" in _about_broker("mqtt://broker", tmp_path / "absent.toml")[0]
    assert "is not like" in _about_broker("http://broker", None)[0]
