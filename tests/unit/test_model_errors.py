"""What is said of a wrong input: our sentences, without what pydantic puts around them."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AfterValidator, TypeAdapter, ValidationError

from alarms.notify.destinations import DestinationsError, read_destinations
from api.errors import sentence_of
from api.views import SessionInput
from edge_agent.settings import SettingsError, read_settings
from simulators.scenario import ScenarioError, read_scenario
from telemetry.model_errors import each_said
from telemetry.site_wording import message_of

WEBHOOK = '[[webhook]]\nid = "phone"\nurl = "%s"\nsecret_file = "s"\n'
EDGE = {"site": "a", "edge": "b", "centre": "tcp://c", "token_file": "d", "spool": "e"}


def _refuse(_: int) -> int:
    raise ValueError("no number is good enough")


def test_each_error_is_said_after_its_place() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, Annotated[int, AfterValidator(_refuse)]]).validate_python(
            {"body": 1, "level": "x"}
        )
    said = each_said(caught.value.errors(), without=frozenset({"body"}))
    assert said.startswith("no number is good enough; level: Input should be a valid integer")
    assert message_of(caught.value.errors()[0])[1] == "no number is good enough"


def test_a_wrong_webhook_is_told_all_that_may_be_written(tmp_path: Path) -> None:
    path = tmp_path / "webhooks.toml"
    path.write_text(WEBHOOK % "ftp://a.example/x", encoding="utf-8")
    with pytest.raises(DestinationsError) as caught:
        read_destinations(path)
    assert "webhook.0.url: the address must begin with https://, or with http://" in str(
        caught.value
    )
    path.write_text(WEBHOOK % "http://127.0.0.1:9/x", encoding="utf-8")
    assert len(read_destinations(path)) == 1


def test_a_wrong_setting_of_an_edge_is_told_in_our_words() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(EDGE, {})
    assert str(caught.value) == (
        "--centre: 'tcp://c' is not like ws://HOST:PORT or wss://HOST:PORT, "
        "nor like mqtt://HOST:PORT or mqtts://HOST:PORT for a broker."
    )


def test_a_wrong_request_is_told_in_our_words() -> None:
    with pytest.raises(ValidationError) as caught:
        SessionInput.model_validate({})
    assert sentence_of(caught.value.errors()) == (
        "The request does not fit: give either a code or a token."
    )


def test_a_wrong_scenario_is_told_in_our_words(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("began_at = 2025-07-01T00:00:00\n", encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        read_scenario(str(path))
    assert "began_at: the instant needs a time zone" in str(caught.value)
    assert "pydantic" not in str(caught.value)
