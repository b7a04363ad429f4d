"""A siren that sounded while the line was cut: at the centre it is one alarm, told once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from edge_stage import agent
from ingest_bench import HandClock, IngestBench, fetch, transitions
from local_alarm_stage import stage, words
from modbus_bench import RELAY_UNIT, Bench
from psycopg import AsyncConnection
from waiting import until

from api.alarm_list import BY_OCCURRENCE
from ingest.encryption import Encryption
from telemetry.clock import MachineClock

SITE = "test-mine"
SOUNDINGS = """
    select source, attributes ->> 'what' as what, attributes ->> 'alarm' as alarm
    from event where kind = 'sounding' order by flush_id, stream_id, seq, ordinal
"""


async def test_what_sounded_while_the_line_was_cut_is_one_alarm_with_its_sounding(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    relay_log = tmp_path / "relay.log"
    with Bench(relay_log=relay_log) as bench:
        settings = stage(tmp_path, bench, IngestBenchPort(1))
        async with centre_of(postgres_dsn, settings.site) as centre:
            settings = settings.model_copy(
                update={"centre": f"ws://127.0.0.1:{centre.port}", "drain_s": 0.1}
            )
            settings.token_file.write_text(await centre.token("edge", SITE), encoding="utf-8")
            async with agent(settings):
                await until(lambda: count(connection, "select 1 from scan"))
                await centre.close()
                bench.order("1 set 0 6000")
                await until(lambda: words(relay_log) == ["on"])
                assert await transitions(connection, SITE) == []

                async with centre_of(postgres_dsn, settings.site, port=centre.port):
                    await until(lambda: count(connection, SOUNDINGS))
                    await until(lambda: transitions(connection, SITE))
                    bench.order("1 set 0 4000")
                    await until(lambda: words(relay_log) == ["on", "off"])
                    bench.order(f"{RELAY_UNIT} powerless")
                    await until(lambda: has_told(connection, "raise"))
                    bench.order(f"{RELAY_UNIT} powered")
                    await until(lambda: has_told(connection, "clear"))

    journal = [row for row in await transitions(connection, SITE) if row[0] == "level-0"]
    assert journal == [
        ("level-0", "limit_high", "raise", "red"),
        ("level-0", "limit_high", "clear", "red"),
    ]
    sounded = await fetch(connection, SOUNDINGS)
    on, off = [row for row in sounded if row["what"] in {"on", "off"}]
    assert (on["what"], off["what"]) == ("on", "off")
    (occurrence,) = await fetch(connection, "select occurrence from alarm where kind = 'process'")
    assert on["alarm"] == off["alarm"] == occurrence["occurrence"]
    (site,) = await fetch(connection, "select site_id from site where key = %s", SITE)
    rows = await connection.execute(BY_OCCURRENCE, ([site["site_id"]], [on["alarm"]]))
    (row,) = await rows.fetchall()
    assert [(one["sounder"], one["what"]) for one in row[17]] == [("siren", "on"), ("siren", "off")]


class IngestBenchPort:
    """A port that is not known yet."""

    def __init__(self, port: int) -> None:
        self.port = port


@asynccontextmanager
async def centre_of(dsn: str, site: Path, port: int = 0) -> AsyncIterator[IngestBench]:
    """A centre that a test may close earlier: that is how the line is cut."""
    centre = IngestBench(dsn, [site], HandClock(MachineClock().now_us()), Encryption())
    centre.port = port
    await centre.open()
    try:
        yield centre
    finally:
        if not centre.stop.is_set():
            await centre.close()


async def count(connection: AsyncConnection, query: str) -> int:
    return len(await fetch(connection, query))


async def has_told(connection: AsyncConnection, change: str) -> bool:
    told = await transitions(connection, SITE)
    return ("siren", "sounder_failed", change, "yellow") in told
