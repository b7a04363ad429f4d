"""The edges of a site, as the API shows them, and their revocation."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from api_centre import SITE, Centre, running_centre

from historian.identities import (
    close_line,
    issue_certificate,
    open_line,
    record,
    see_server,
)
from historian.tokens import token_id_of, verify_token
from telemetry.clock import MachineClock

EDGES = f"/api/v1/sites/{SITE}/edges"
DAY_US = 86_400 * 1_000_000


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


async def connected(centre: Centre, line_id: UUID) -> None:
    conn = centre.connection
    token_id = token_id_of(centre.edge)
    assert token_id is not None
    await issue_certificate(
        conn,
        issuer="CN=Test",
        serial="abc",
        site=SITE,
        edge="dam-edge",
        token_id=token_id,
        ends_us=MachineClock().now_us() + 20 * DAY_US,
    )
    await record(conn, "enrolled", SITE, "dam-edge", token_id, "10.0.0.7")
    await open_line(
        conn, SITE, "dam-edge", line_id=line_id, token_id=token_id, serial="abc", address="10.0.0.7"
    )


async def of_edge(centre: Centre, token: str) -> dict[str, object]:
    async with centre.client(token) as client:
        answer = await client.get(EDGES)
    assert answer.status_code == 200, answer.text
    found = {one["edge"]: one for one in answer.json()}
    assert set(found) >= {"dam-edge"}
    return found["dam-edge"]  # type: ignore[no-any-return]


async def test_an_edge_is_shown_with_what_it_goes_by(centre: Centre) -> None:
    before = await of_edge(centre, centre.viewer)
    assert before["connected"] is False
    assert before["enrolled_at"] is None
    assert before["valid_tokens"] == 1

    line_id = uuid4()
    await connected(centre, line_id)
    edge = await of_edge(centre, centre.viewer)
    assert edge["connected"] is True
    assert edge["token_id"] == token_id_of(centre.edge)
    assert edge["enrolled_from"] == "10.0.0.7"
    assert edge["certificate_serial"] == "abc"
    assert edge["certificate_ends_at"] is not None

    await close_line(centre.connection, line_id)
    assert (await of_edge(centre, centre.viewer))["connected"] is False


async def test_a_line_that_nobody_has_heard_of_for_a_minute_is_not_open(centre: Centre) -> None:
    """The process that held it may have been killed."""
    await connected(centre, uuid4())
    await centre.connection.execute("update edge_line set heard_at = heard_at - interval '61 s'")
    assert (await of_edge(centre, centre.viewer))["connected"] is False


async def test_the_newest_block_is_shown(centre: Centre) -> None:
    await centre.connection.execute(
        """
        with made as (
            insert into stream (site_id, edge, epoch) values (%s, 'dam-edge', gen_random_uuid())
            returning stream_id
        )
        insert into block (stream_id, seq, hash, flush_id, received_at)
        select stream_id, seq, '', 1, '2025-07-01T00:00:00Z'::timestamptz + seq * interval '1 min'
        from made, generate_series(1, 3) as seq
        """,
        [centre.ids.site_id],
    )
    assert (await of_edge(centre, centre.viewer))["last_block_at"] == "2025-07-01T00:03:00Z"


async def test_only_an_operator_revokes_and_it_is_recorded(centre: Centre) -> None:
    await connected(centre, uuid4())
    async with centre.client(centre.viewer) as client:
        assert (await client.delete(f"{EDGES}/dam-edge")).status_code == 403
        assert (await client.delete("/api/v1/sites/elsewhere/edges/dam-edge")).status_code == 403
    async with centre.client(centre.operator) as client:
        answer = await client.delete(f"{EDGES}/dam-edge")
        assert answer.status_code == 200
        assert answer.json() == {
            "tokens": [token_id_of(centre.edge)],
            "certificates": ["abc"],
        }
        again = await client.delete(f"{EDGES}/dam-edge")
        assert again.status_code == 404
        assert again.json()["error"]["code"] == "nothing_to_revoke"
        assert (await client.delete("/api/v1/sites/elsewhere/edges/dam-edge")).status_code == 404
    assert await verify_token(centre.connection, centre.edge) is None
    rows = await centre.fetch("select who from identity_record where what = 'revoked'")
    assert len(rows) == 2
    assert all(token_id_of(centre.operator) in who for (who,) in rows)
    edge = await of_edge(centre, centre.viewer)
    assert edge["valid_tokens"] == 0
    assert edge["certificate_serial"] is None


async def test_metrics_say_when_certificates_end(centre: Centre) -> None:
    await connected(centre, uuid4())
    await see_server(
        centre.connection,
        role="line",
        place="mine:8381",
        subject="CN=mine",
        serial="1",
        ends_us=MachineClock().now_us() - DAY_US,
    )
    async with centre.client(centre.viewer) as client:
        text = (await client.get("/metrics")).text
    values = {
        line.partition("{")[2].partition("}")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("groundwatch_certificate_expires_in_seconds{")
    }
    edge = values[f'name="dam-edge",role="edge",site="{SITE}"']
    assert 19.9 < edge / 86_400 < 20.1
    assert -1.1 < values['name="mine:8381",role="line",site=""'] / 86_400 < -0.9
