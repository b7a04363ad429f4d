"""Proposals from stored history: said as a diff, with what they rest on, and never applied."""

import asyncio
import subprocess
from pathlib import Path

import numpy as np
import pytest
from history import import_of_mine, stepping_file
from ingest_site import BEGAN_US, group_in, site_document

from alarms.suggestion.command import SuggestRequest, run_suggest
from telemetry.clock import instant_at
from telemetry.plan import plan_of
from telemetry.site_file import read_site_file


def quiet_file(days: int) -> str:
    """A pond with noise, a daily course and a resolution; a crack that opens all the time."""
    chance = np.random.default_rng(5)
    lines = ["time,pond,toe,crack"]
    for n in range(144 * days):
        at = instant_at(BEGAN_US + n * 600 * 1_000_000)
        pond = 5.0 + 0.5 * np.sin(2 * np.pi * n / 144) + 0.1 * chance.standard_normal()
        toe = 2.0 + 0.05 * chance.standard_normal()
        cells = f"{round(pond / 0.05) * 0.05:.2f},{toe:.6f},{20 + n / 600:.4f}"
        lines.append(f"{at:%Y-%m-%dT%H:%M:%SZ},{cells}")
    return "\n".join(lines) + "\n"


def test_proposals_from_what_was_imported(
    postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = site_document()
    for key in ("levels", "pressures", "cracks", "sums"):
        group_in(tree, key)["period_s"] = 600
    group_in(tree, "sums")["channels"][0]["max_age_s"] = 1800
    pond, toe = group_in(tree, "levels")["channels"]
    pond["limits"][0]["deadband"] = 0.01
    del toe["limits"]
    site = asyncio.run(import_of_mine(postgres_dsn, tmp_path, quiet_file(30), tree))
    before = site.read_text(encoding="utf-8")

    code = run_suggest(SuggestRequest(site, postgres_dsn, BEGAN_US, BEGAN_US + 2**42))

    told = capsys.readouterr().out
    remarks = {line.split(":")[0]: line for line in told.splitlines() if line.startswith("# ")}
    assert code == 0
    assert site.read_text(encoding="utf-8") == before
    assert "4,320 readings of 2025-07-01 to 2025-07-30, 0.00% bad" in remarks["# pond"]
    assert "resolution 0.05, daily course ±0." in remarks["# pond"]
    assert "limits[0].deadband 0.01 to 0.3" in remarks["# pond"]
    assert "new limits, blue and yellow only" in remarks["# toe"]
    assert "it drifts by" in remarks["# crack"]
    assert "0 good readings are too few" in remarks["# tip"]
    assert set(remarks) == {"# pond", "# toe", "# crack", "# tip", "# base"}
    (tmp_path / "said.diff").write_text(told, encoding="utf-8")
    subprocess.run(["git", "apply", "-p0", "--unsafe-paths", "said.diff"], cwd=tmp_path, check=True)
    after = plan_of(read_site_file(site)).channel_by_key
    (limit,) = after["pond"].channel.limits
    assert limit.deadband == pytest.approx(0.3, abs=0.05)
    assert limit.levels.yellow == 10.0
    assert [one.direction for one in after["toe"].channel.limits] == ["high", "low"]


def test_a_channel_that_is_not_there_is_refused(
    postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = asyncio.run(import_of_mine(postgres_dsn, tmp_path, stepping_file(1)))
    for channels, said in ((("x",), "has no channel x"), (("together",), "only measured")):
        request = SuggestRequest(site, postgres_dsn, BEGAN_US, BEGAN_US + 2**42, channels)
        assert run_suggest(request) == 2
        assert said in capsys.readouterr().err
