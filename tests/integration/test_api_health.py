"""Whether the centre does its work, as those are told who watch it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_centre import SITE, Centre, running_centre


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
        assert SITE in answer.json()["error"]["message"]
        # The page answers what no other route does, and it is always well.
        centre.settings.page.mkdir()
        (centre.settings.page / "index.html").write_text("<title>the page</title>")
        assert (await client.head("/readyz")).status_code == 503
