"""A task that fails unforeseen ends its process, loudly: whoever supervises it starts it again."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_centre import SITE, SITE_FILE
from ground import START_US, insert_site, transition
from http_sink import http_sink
from ingest_site import site_document
from psycopg import AsyncConnection
from websockets.asyncio.client import connect

from alarms import journal, outbox
from alarms.notify import service as notify_service
from alarms.notify.destinations import Webhook
from alarms.transition import Change
from historian import tokens
from historian.registry import register_site
from historian.tokens import Scope
from ingest import service as ingest_service
from ingest.line import listen
from ingest.service import IngestSettings
from simulators.proving.demonstration import free_ports
from simulators.proving.processes import Worker, start
from telemetry.clock import MachineClock
from telemetry.plan import plan_of
from telemetry.site_file import read_site_text

WITHIN_S = 30.0
# No entry of ours lacks everything; no code of ours foresees one that does.
SPOIL_JOURNAL = """
    insert into journal (site_id, number, key, flush_id, occurrence, sampled_at, stored_at,
                         body, hash)
    values (%s, 1, '', 1, '', now(), now(), '{}', '')
"""


class UnforeseenError(Exception):
    """What nobody has thought of."""


async def fail(*_: Any, **__: Any) -> None:
    raise UnforeseenError("something that nobody has thought of")


async def test_a_failed_live_feed_ends_the_api(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = SITE_FILE.read_text(encoding="utf-8")
    ids = await register_site(connection, plan_of(read_site_text(text, SITE)), text, START_US)
    viewer = await tokens.create_token(connection, Scope.VIEWER, None, None, "test", START_US)
    monkeypatch.setenv("GROUNDWATCH_DSN", postgres_dsn)
    (port,) = free_ports(1)
    worker = await start("api", ["api", "--port", str(port)], tmp_path)
    try:
        await up(worker, port)
        async with (
            asyncio.timeout(WITHIN_S),
            connect(
                f"ws://127.0.0.1:{port}/api/v1/live",
                additional_headers={"authorization": f"Bearer {viewer}"},
                proxy=None,
            ) as line,
        ):
            await line.send(json.dumps({"subscribe": {"site": SITE, "alarms": True}}))
            assert json.loads(await line.recv())["type"] == "hello"

            await connection.execute(SPOIL_JOURNAL, [ids.site_id])
            await connection.execute("notify groundwatch, 'flush'")

            assert await worker.process.wait() == 1
            await line.wait_closed()  # Pages come again, to the next process.
        assert "task=feed" in worker.log.read_text(encoding="utf-8")
        assert "KeyError" in worker.log.read_text(encoding="utf-8")
    finally:
        await worker.kill()


async def up(worker: Worker, port: int) -> None:
    async with (
        asyncio.timeout(WITHIN_S),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        while True:
            assert worker.runs, worker.last_words()
            try:
                if (await client.get("/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                continue


async def test_a_failed_destination_ends_the_notifier(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_" + "c2lnbmVkIGJ5IHRoZSBzdG9uZXMgb2YgdGhlIGRhbQ==", encoding="ascii")
    site_id = await insert_site(connection)
    monkeypatch.setattr(notify_service.WebhookSender, "send", fail)
    async with http_sink() as sink:
        to = Webhook(id="phone", url=sink.url, secret_file=secret)
        raised = transition(Change.RAISE, "red", at_s=0)
        async with connection.transaction():
            numbered = await journal.append(connection, site_id, 1, [raised], START_US)
            await outbox.enqueue(connection, site_id, numbered, [to])

        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(ExceptionGroup) as failed:
                await notify_service.run(postgres_dsn, [to], MachineClock(), asyncio.Event())

    assert failed.group_contains(UnforeseenError)


@pytest.mark.parametrize("part", ["listen_for_actions", "Pipeline.run"])
async def test_a_failed_part_of_ingest_ends_it(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(json.dumps(site_document()), encoding="utf-8")
    monkeypatch.setattr(f"ingest.service.{part}", fail)
    settings = IngestSettings(
        sites=(site,), dsn=postgres_dsn, host="127.0.0.1", port=0, webhooks=None, clock=None
    )

    with listen(settings.host, settings.port) as listening, pytest.raises(ExceptionGroup) as failed:
        await asyncio.wait_for(ingest_service._run(settings, listening), WITHIN_S)

    assert failed.group_contains(UnforeseenError)
