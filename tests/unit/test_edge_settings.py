"""The edge's settings: where they come from, and what is said when they are wrong."""

from pathlib import Path

import pytest

from edge_agent.settings import EdgeSettings, SettingsError, read_settings, read_token

GIVEN = {
    "site": "mine.yaml",
    "edge": "dam-edge",
    "centre": "ws://127.0.0.1:9000/",
    "token_file": "token",
    "spool": "spool.db",
}


def test_the_command_line_wins_over_environment_and_file(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text('site = "file.yaml"\nedge = "from-file"\ncentre = "wss://file"\n')
    environment = {
        "GROUNDWATCH_EDGE_EDGE": "from-environment",
        "GROUNDWATCH_EDGE_TOKEN_FILE": "token",
        "GROUNDWATCH_EDGE_CENTRE": "ws://environment:1",
        "PATH": "/bin",
    }
    arguments = {"edge": None, "centre": "ws://line:1", "spool": "spool.db"}

    settings = read_settings(arguments, environment, config)

    assert settings.centre == "ws://line:1"
    assert settings.edge == "from-environment"
    assert settings.site == Path("file.yaml")
    assert settings.clock is None


def test_the_centre_may_be_written_with_a_slash() -> None:
    assert EdgeSettings.model_validate(GIVEN).centre == "ws://127.0.0.1:9000"


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"site": "mine.yaml"}, {})
    for name in ("--edge", "--centre", "--token-file", "--spool"):
        assert f"{name} is missing" in str(caught.value)


@pytest.mark.parametrize(
    "centre",
    [
        "http://127.0.0.1",
        "127.0.0.1:9000",
        "ws://",
        "ws://centre:99999",
        "ws://centre:port",
        "ws://centre:0",
        "ws://centre..example:9000",
        "ws://[::1:9000",
    ],
)
def test_a_centre_that_cannot_be_called_is_refused(centre: str) -> None:
    with pytest.raises(SettingsError, match="--centre"):
        read_settings({**GIVEN, "centre": centre}, {})


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text('token = "never here"\n')
    with pytest.raises(SettingsError, match="no setting 'token'"):
        read_settings(GIVEN, {}, config)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(GIVEN, {}, tmp_path / "nothing.toml")


def test_a_file_in_another_encoding_gets_a_sentence(tmp_path: Path) -> None:
    """As editors on Windows may write it."""
    (tmp_path / "token").write_text("gw_1_secret\n", encoding="utf-16")
    with pytest.raises(SettingsError, match="does not hold one token"):
        read_token(tmp_path / "token")
    (tmp_path / "edge.toml").write_text('edge = "dam-edge"\n', encoding="utf-16")
    with pytest.raises(SettingsError, match="is not TOML"):
        read_settings(GIVEN, {}, tmp_path / "edge.toml")


def test_a_token_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("gw_1_secret\n")
    assert read_token(tmp_path / "token") == "gw_1_secret"
    (tmp_path / "token").write_text("two words")
    with pytest.raises(SettingsError, match="does not hold one token"):
        read_token(tmp_path / "token")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_token(tmp_path / "nothing")


def test_secrets_of_brokers_stand_in_tables_of_their_own(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text('[mqtt.dam-bus]\npassword_file = "secret"\nca_file = "ca.pem"\n')
    found = read_settings(GIVEN, {}, config).mqtt["dam-bus"]
    assert (found.password_file, found.ca_file) == (Path("secret"), Path("ca.pem"))
    assert found.is_about_encryption

    environment = {"GROUNDWATCH_EDGE_MQTT": '{"dam-bus": {"password_file": "other"}}'}
    assert read_settings(GIVEN, environment, config).mqtt["dam-bus"].password_file == Path("other")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON object of buses"),
        ('{"dam-bus": {"password": "x"}}', "allowed are password_file, ca_file"),
        ('{"dam-bus": {"key_file": "x"}}', "needs the certificate_file"),
        ("[]", "valid dictionary"),
    ],
)
def test_what_is_wrong_about_a_broker_is_said(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings(GIVEN, {"GROUNDWATCH_EDGE_MQTT": text})
