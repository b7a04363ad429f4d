"""What Prometheus is told about the store, and what asking costs."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_centre import SITE, Centre, running_centre
from ground import START_US, transition

from alarms.transition import Change
from historian import tokens
from historian.tokens import Scope


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


@pytest.fixture
async def client(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.client(centre.viewer) as opened:
        yield opened


async def quarantine(centre: Centre, reason: str) -> None:
    await centre.connection.execute(
        "insert into quarantine (site_id, received_at, edge, reason, message, content)"
        " values (%s, now(), 'dam-edge', %s, 'The block is cut off.', '')",
        [centre.ids.site_id, reason],
    )


async def test_metrics_say_what_the_store_holds(centre: Centre, client: httpx.AsyncClient) -> None:
    await centre.flush(transition(Change.RAISE, "blue", at_s=0))
    await quarantine(centre, "truncated")
    await client.get("/api/v1/sites")

    text = (await client.get("/metrics")).text
    assert 'groundwatch_open_alarms{kind="process",site="north-mine",state="unacknowledged"} 1' in (
        text
    )
    assert 'groundwatch_quarantined{reason="truncated",site="north-mine"} 1' in text
    assert 'route="/api/v1/sites",status="200"' in text


async def test_counters_are_for_tokens_of_all_sites(centre: Centre) -> None:
    await centre.flush(transition(Change.RAISE, "blue", at_s=0))
    limited = await tokens.create_token(
        centre.connection, Scope.OPERATOR, SITE, None, "test", START_US
    )
    for token, status in ((None, 401), (limited, 403), (centre.edge, 403), (centre.viewer, 200)):
        async with centre.client(token) as asking:
            answer = await asking.get("/metrics")
            assert answer.status_code == status, token
            assert (SITE in answer.text) is (status == 200)
            assert (await asking.head("/metrics")).status_code == status


async def test_counters_can_be_opened_to_the_own_machine(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        running_centre(postgres_dsn, tmp_path, open_metrics=True) as centre,
        centre.client(None) as stranger,
    ):
        assert (await stranger.get("/metrics")).status_code == 200
        monkeypatch.setattr("api.gate.is_loopback", lambda _: False)
        assert (await stranger.get("/metrics")).status_code == 401


async def test_a_stranger_cannot_invent_what_is_counted(centre: Centre) -> None:
    async with centre.client(None) as stranger:
        for word in ("BREW", "brew", "TRACE"):
            assert (await stranger.request(word, "/api/v1/sites")).status_code == 401
    async with centre.client(centre.viewer) as viewer:
        text = (await viewer.get("/metrics")).text
    assert 'groundwatch_api_requests_total{method="other",route="other",status="401"} 3.0' in text
    assert "brew" not in text.lower()


async def test_asking_for_metrics_often_does_not_count_the_quarantine_often(
    centre: Centre, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told() -> str:
        return (await client.get("/metrics")).text

    await quarantine(centre, "truncated")
    assert 'reason="truncated"' in await told()
    await quarantine(centre, "malformed")
    assert 'reason="malformed"' not in await told()
    monkeypatch.setattr("api.store_figures.RECOUNT_S", 0.0)
    assert 'reason="malformed"' in await told()
