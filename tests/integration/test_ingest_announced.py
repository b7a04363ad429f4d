"""What edges say they took is written down, whether or not it comes."""

from pathlib import Path

from ingest_bench import edge_line, fetch, ingest, until_flushed
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection

PLAN = plan_in(site_document())


async def test_what_an_edge_says_it_took_is_kept_though_nothing_of_it_has_come(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async def is_known() -> bool:
        (stream,) = await fetch(connection, "select * from stream")
        return stream["announced"] == 2 and stream["announced_at"] is not None

    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.close()
        line.holds_back = True
        line.spool = {seq: block(PLAN, "levels", [[2.0, 2.0]], first=seq) for seq in (1, 2)}
        await line.connect()
        await until_flushed(connection, is_known)

    (stream,) = await fetch(connection, "select delivered from stream")
    assert list(stream["delivered"]) == []
