"""A centre that is restored from an older backup loses nothing: its edges send again.

Backup and restoration are the very scripts that the runbook names.
"""

import asyncio
import subprocess
from pathlib import Path

import psycopg
import pytest
from waiting import until

from simulators.proving.demonstration import Cast, Demonstration, free_ports
from simulators.scenario import demo_site_text, read_scenario

pytestmark = pytest.mark.real_processes

DEPLOY = Path(__file__).parents[2] / "deploy"
WITHIN_S = 60.0
SCANS = "select count(*) from scan where stream_id is not null"
# Blocks that are nowhere; the spool, which is the ledger, might have forgotten them too.
MISSING_BLOCKS = "select max(seq) - count(distinct seq) from scan where stream_id is not null"


def one_dam() -> Cast:
    """A dam with its device and its edge; the demo mine's other edges stay away."""
    scenario = read_scenario("calm")
    (port,) = free_ports(1)
    return Cast(
        site="demo-mine",
        site_text=demo_site_text(scenario, {"dam-bus": port}),
        devices=(("dam", ("dam", "--scenario", "calm", "--port", str(port))),),
        edges=("dam-edge",),
        began_us=scenario.began_us,
        rate=120.0,
    )


async def ask(demonstration: Demonstration, question: str) -> int:
    async with await psycopg.AsyncConnection.connect(demonstration.addresses.dsn) as conn:
        row = await (await conn.execute(question.encode())).fetchone()
        assert row is not None
        return int(row[0])


async def stored_beyond(demonstration: Demonstration, count: int) -> None:
    async def are_more() -> bool:
        demonstration.see_that_all_run()
        return await ask(demonstration, SCANS) > count

    await until(are_more, WITHIN_S)


async def script(name: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [DEPLOY / name, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )


async def test_edges_send_again_what_a_backup_lacks(tmp_path: Path) -> None:
    demonstration = Demonstration(one_dam(), tmp_path)
    data, backup = tmp_path / "data", tmp_path / "backup"
    try:
        await demonstration.start()
        await stored_beyond(demonstration, 40)
        made = await script("backup-embedded.sh", data, backup)
        assert made.returncode == 0, made.stderr
        at_backup = await ask(demonstration, SCANS)
        await stored_beyond(demonstration, at_backup + 40)
        too_early = await script("restore-embedded.sh", data, backup)
        before = await ask(demonstration, SCANS)
        await demonstration.centre.stop()
        restored = await script("restore-embedded.sh", data, backup)
        assert restored.returncode == 0, restored.stderr
        await demonstration.start_centre()
        await demonstration.wait_until_ready()
        await stored_beyond(demonstration, before + 10)
        found = await demonstration.finish()
        missing_blocks = await ask(demonstration, MISSING_BLOCKS)
    finally:
        await demonstration.stop()

    assert too_early.returncode == 2
    assert "stop it first" in too_early.stderr
    assert len(list(data.glob("postgres.before-*"))) == 1
    assert found.scans > before
    assert missing_blocks == 0
    assert (found.lost, found.duplicated) == (0, 0)
