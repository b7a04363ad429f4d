"""The daily ledger over the API and as a signed statement on the command line."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_centre import SITE, Centre, running_centre
from ground import START_US
from ledger_day import delivered

from historian import tokens
from historian.tokens import Scope

LEDGER = f"/api/v1/sites/{SITE}/ledger"
DAY = "2025-07-01"


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        await delivered(running)
        yield running


async def test_a_day_is_shown_to_those_who_may_see_the_site(centre: Centre) -> None:
    elsewhere = await tokens.create_token(
        centre.connection, Scope.VIEWER, "other", None, "test", START_US
    )
    async with centre.client(centre.viewer) as client:
        said = (await client.get(LEDGER, params={"day": DAY})).json()
        today = (await client.get(LEDGER)).json()
        nonsense = await client.get(LEDGER, params={"day": "yesterday"})
    async with centre.client(elsewhere) as client:
        foreign = await client.get(LEDGER)
    async with centre.client(centre.edge) as client:
        edge = await client.get(LEDGER)

    assert (said["taken"], said["stored"], said["missing"]) == (3, 1, 2)
    assert (said["open"], said["whole"], said["scans_stored"]) == (True, False, 3)
    crack = next(one for one in said["channels"] if one["channel"] == "crack-1-opening")
    assert (crack["good"], crack["bad"]) == (3, 0)
    assert crack["expected"] is not None
    assert (today["day"], today["time_zone"]) == (said["day"], said["time_zone"])
    assert (nonsense.status_code, foreign.status_code, edge.status_code) == (422, 404, 403)


async def test_a_statement_is_signed_and_a_changed_one_is_refused(
    centre: Centre, tmp_path: Path
) -> None:
    key, file = tmp_path / "ledger.key", tmp_path / "statement.txt"
    asked = ["--dsn", centre.settings.dsn, "--site", SITE, "--day", DAY, "--key", str(key)]

    made = groundwatch("ledger", *asked)
    file.write_text(made.stdout, encoding="utf-8")
    fingerprint = made.stderr.split()[-1]
    as_json = groundwatch("ledger", *asked, "--json")

    assert "taken 3, stored 1, missing 2 (blocks)" in made.stdout
    assert key.stat().st_mode & 0o777 == 0o600
    assert json.loads(as_json.stdout.splitlines()[0])["missing"] == 2
    assert as_json.stderr.split()[-1] == fingerprint
    right = groundwatch("ledger", "verify", str(file), "--fingerprint", fingerprint)
    assert (right.returncode, fingerprint in right.stdout) == (0, True)
    other_key = groundwatch("ledger", "verify", str(file), "--fingerprint", "00" * 32)
    file.write_text(made.stdout.replace("missing 2", "missing 0"), encoding="utf-8")
    changed = groundwatch("ledger", "verify", str(file))
    assert (other_key.returncode, changed.returncode) == (1, 1)
    assert "changed after it was signed" in changed.stderr


def test_without_a_site_it_says_what_to_give() -> None:
    asked = groundwatch("ledger", "--day", DAY)

    assert asked.returncode == 2
    assert "--site" in asked.stderr


def groundwatch(*words: str) -> subprocess.CompletedProcess[str]:
    without_dsn = {name: is_ for name, is_ in os.environ.items() if name != "GROUNDWATCH_DSN"}
    return subprocess.run(
        [sys.executable, "-m", "groundwatch", *words],
        env=without_dsn,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
