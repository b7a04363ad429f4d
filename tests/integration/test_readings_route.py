"""Readings of a gateway over HTTP: answered once committed, and safe to send again."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_site import GATEWAY, gateway_document, reading, scan
from ingest_bench import IngestBench, fetch, ingest, transitions
from ingest_site import BEGAN_US, HOUR_US, write_site
from psycopg import AsyncConnection
from waiting import until

from api.routes import readings
from api.service import listen, serve
from api.settings import ApiSettings
from historian import submissions
from historian.tokens import Scope
from telemetry.clock import ScenarioClock, write_clock_file
from telemetry.submission import compile_submission, read_document

ROUTE = "/api/v1/readings"
ROWS = """
    select time, revision, raw, quality, ordinal, seq, judged_at from scan
    join scan_group using (site_id, group_id) where key = 'cracks' order by time, revision
"""
NOTHING = {
    "stored": 0,
    "duplicates": 0,
    "merged": 0,
    "conflicts": 0,
    "late": 0,
    "quarantined": [],
    "refused": [],
    "refused_count": 0,
}


@asynccontextmanager
async def gateway(
    bench: IngestBench, folder: Path, token: str | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that talks to the API of a centre."""
    clock = folder / "clock.json"
    now_real_us = ScenarioClock(0, 0, 1.0).now_us()
    write_clock_file(clock, ScenarioClock(now_real_us, BEGAN_US + HOUR_US, 1.0))
    listening = listen("127.0.0.1", 0)
    settings = ApiSettings(
        dsn=bench.dsn, port=listening.getsockname()[1], clock=clock, page=folder / "page"
    )
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings, listening, stop))
    sent = token or await bench.token(GATEWAY)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.port}",
            headers={"authorization": f"Bearer {sent}"},
            trust_env=False,
            timeout=20,
        ) as client:
            yield client
    finally:
        stop.set()
        await serving
        listening.close()


@pytest.fixture
async def bench(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[IngestBench]:
    async with ingest(postgres_dsn, write_site(tmp_path, gateway_document())) as running:
        yield running


async def told(client: httpx.AsyncClient, **document: Any) -> dict[str, Any]:
    answer = await client.post(ROUTE, json={"site": "mine", **document})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_readings_are_stored_when_the_answer_comes(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with gateway(bench, tmp_path) as client:
        first = await told(client, scans=[scan(2, crack=5.0), scan(1, crack=4.0, tilt=1.0)])
        assert len(await fetch(connection, ROWS)) == 2
        again = await told(client, readings=[reading(2, "crack", 5.0)])
        rest = await told(client, readings=[reading(2, "tilt", 2.0), reading(1, "crack", 4.5)])

    assert first == NOTHING | {"stored": 2}
    assert again == NOTHING | {"duplicates": 1, "late": 1}
    assert rest == NOTHING | {"merged": 1, "conflicts": 1, "late": 2}
    rows = await fetch(connection, ROWS)
    assert [(row["revision"], str(row["raw"])) for row in rows] == [
        (0, "[4.0, 1.0]"),
        (1, "[4.5, nan]"),
        (0, "[5.0, 2.0]"),
    ]
    (stream,) = await fetch(connection, "select edge, kind, delivered::text from stream")
    assert tuple(stream.values()) == (GATEWAY, "gateway", "{}")


async def test_limits_judge_what_a_gateway_sends(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with gateway(bench, tmp_path) as client:
        scans = [scan(minute, crack=60.0, tilt=0.0) for minute in (1, 2, 3)]
        await told(client, scans=scans)
        await told(client, scans=[scan(0, crack=0.0, tilt=0.0)])

    assert await transitions(connection) == [("crack", "limit_high", "raise", "orange")]


async def test_wild_stamps_are_quarantined_and_told(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    wild = scan(1, crack=1.0) | {"time": "1970-01-01T00:00:00Z"}
    async with gateway(bench, tmp_path) as client:
        answer = await told(client, scans=[wild, scan(2, crack=2.0)])

    assert answer["stored"] == 1
    (quarantined,) = answer["quarantined"]
    assert (quarantined["scans"], quarantined["reason"]) == (1, "implausible_clock")
    (kept,) = await fetch(connection, "select edge, reason from quarantine")
    assert tuple(kept.values()) == (GATEWAY, "implausible_clock")


async def test_a_wrong_item_refuses_the_whole_unless_the_rest_is_asked_for(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    document = {"site": "mine", "scans": [scan(1, crack=1.0), scan(2, pond=1.0)]}
    async with gateway(bench, tmp_path) as client:
        refused = await client.post(ROUTE, json=document)
        assert refused.status_code == 422
        assert "scans.1.values.'pond'" in refused.json()["error"]["message"]
        assert await fetch(connection, ROWS) == []
        answer = await told(client, scans=document["scans"], partial=True)

    assert (answer["stored"], answer["refused_count"]) == (1, 1)
    assert answer["refused"][0]["place"] == "scans.1.values.'pond'"


async def test_a_gateway_sends_for_its_own_bus_only(bench: IngestBench, tmp_path: Path) -> None:
    mine = {"site": "mine", "scans": [scan(1, crack=1.0)]}
    dams = {"site": "mine", "scans": [{**scan(1, pond=1.0), "group": "levels"}]}
    async with gateway(bench, tmp_path) as client:
        assert (await client.post(ROUTE, json=dams)).status_code == 403
        assert (await client.post(ROUTE, json={**mine, "site": "other"})).status_code == 403
        for token in (
            await bench.token("dam-edge"),
            await bench.token(GATEWAY, site="elsewhere"),
            await bench.token(None, None, Scope.OPERATOR),
        ):
            headers = {"authorization": f"Bearer {token}"}
            assert (await client.post(ROUTE, json=mine, headers=headers)).status_code == 403
        assert (await client.get("/api/v1/sites")).status_code == 403


async def test_bodies_are_bounded_packed_and_unpacked(bench: IngestBench, tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps({"site": "mine", "scans": [scan(1, crack=1.0)]}).encode())
    as_gzip = {"content-type": "application/json", "content-encoding": "gzip"}
    async with gateway(bench, tmp_path) as client:

        async def status(content: bytes, headers: dict[str, str] = as_gzip) -> int:
            return (await client.post(ROUTE, content=content, headers=headers)).status_code

        assert await status(packed) == 200
        assert await status(packed[:-4]) == 400
        assert await status(packed + b"more") == 400
        assert await status(b"not packed") == 400
        assert await status(gzip.compress(b" " * (5 << 20))) == 413
        assert await status(b" " * (2 << 20), {}) == 413
        assert await status(b"{}", {"content-encoding": "br"}) == 415
        assert await status(b"{}", {"content-type": "text/csv"}) == 415
        assert await status(b"[" * 1000, {}) == 422


async def test_the_description_shows_what_may_be_sent(bench: IngestBench, tmp_path: Path) -> None:
    token = await bench.token(None, None, Scope.VIEWER)
    async with gateway(bench, tmp_path, token) as client:
        described = (await client.get("/api/v1/openapi.json")).json()["paths"][ROUTE]["post"]
    scans, one_by_one = described["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert set(scans["properties"]) == {"site", "scans", "partial"}
    assert set(one_by_one["properties"]["readings"]["items"]["properties"]) == set(
        reading(1, "crack", 1.0)
    )


async def test_without_ingest_the_gateway_is_told_to_come_again(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readings, "DECISION_S", 0.3)
    document = {"site": "mine", "scans": [scan(1, crack=1.0)]}
    async with ingest(postgres_dsn, write_site(tmp_path, gateway_document())) as bench:
        (desk,) = bench.desks
        token = await bench.token(GATEWAY)
    async with gateway(bench, tmp_path, token) as client:
        undecided = await client.post(ROUTE, json=document)
        assert (undecided.status_code, undecided.headers["retry-after"]) == (503, "2")
        assert await fetch(connection, "select from submission") == []
        content = compile_submission(
            read_document(json.dumps(document).encode()), desk.plan, GATEWAY
        ).contents
        for _ in range(submissions.UNDECIDED_MAX):
            await submissions.submit(
                connection,
                site_id=desk.ids.site_id,
                gateway=GATEWAY,
                received_us=BEGAN_US + HOUR_US,
                contents=content,
            )
        too_many = await client.post(ROUTE, json=document)
        assert (too_many.status_code, too_many.headers["retry-after"]) == (429, "2")

    async with ingest(postgres_dsn, *bench.sites) as later:  # What a crash left is taken in.
        await until(lambda: decided(connection))
        assert later.desks[0].stamps[desk.plan.group_by_key["cracks"].index].newest_us > 0
    assert len(await fetch(connection, ROWS)) == 1


async def decided(connection: AsyncConnection) -> bool:
    return not await fetch(connection, "select from submission where outcome is null")
