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


async def test_ready_once_every_site_has_an_owner(centre: Centre) -> None:
    async with centre.client(None) as client:
        assert (await client.get("/readyz")).status_code == 200
        await centre.connection.execute("update site set term = 0")

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
    await centre.connection.execute("update site set term = 0")
    token = await tokens.create_token(
        centre.connection, tokens.Scope.VIEWER, site, None, "test", START_US
    )
    for proof, may in ((token, named), (centre.edge, False), ("gw_000000000000_wrong", False)):
        async with centre.client(proof) as client:
            answer = await client.get("/readyz")
        assert (answer.status_code, SITE in answer.text) == (503, may)
