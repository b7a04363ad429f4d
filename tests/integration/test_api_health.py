"""Whether the centre does its work, as those are told who watch it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_centre import SITE, Centre, running_centre
from ground import START_US

from historian import tokens


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


async def attended(centre: Centre, ago: str) -> None:
    await centre.connection.execute(
        "update heartbeat set beat_at = clock_timestamp() - %s::interval", [ago]
    )


async def test_ready_while_every_site_is_looked_after(centre: Centre) -> None:
    async with centre.client(None) as client:
        await attended(centre, "10 seconds")
        assert (await client.get("/readyz")).status_code == 200
        await attended(centre, "20 seconds")

        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert SITE not in answer.text
        assert answer.json()["error"]["message"].endswith(".")
        # The page answers what no other route does, and it is always well.
        centre.settings.page.mkdir()
        (centre.settings.page / "index.html").write_text("<title>the page</title>")
        assert (await client.head("/readyz")).status_code == 503


@pytest.mark.parametrize(("site", "named"), [(None, True), (SITE, True), ("elsewhere", False)])
async def test_sites_are_named_to_those_who_may_see_them(
    centre: Centre, site: str | None, named: bool
) -> None:
    await centre.connection.execute("delete from heartbeat")
    token = await tokens.create_token(
        centre.connection, tokens.Scope.VIEWER, site, None, "test", START_US
    )
    for proof, may in ((token, named), (centre.edge, False), ("gw_000000000000_wrong", False)):
        async with centre.client(proof) as client:
            answer = await client.get("/readyz")
        assert (answer.status_code, SITE in answer.text) == (503, may)


async def test_a_site_that_was_given_up_is_not_waited_for(centre: Centre) -> None:
    await centre.connection.execute("insert into site (key, term) values ('old-mine', 1)")
    async with centre.client(centre.viewer) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, "old-mine" in answer.text) == (503, True)
        await centre.connection.execute(
            "insert into heartbeat select site_id, clock_timestamp() - interval '8 days'"
            " from site where key = 'old-mine'"
        )
        assert (await client.get("/readyz")).status_code == 200
        assert 'attended_age_seconds{site="old-mine"} 6912' in (await client.get("/metrics")).text
        await attended(centre, "8 days")
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_site")
