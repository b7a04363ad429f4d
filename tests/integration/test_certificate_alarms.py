"""The end of certificates as alarms: recorded, told at each mark, kept through a restart, ended."""

from pathlib import Path

import own_authority
import pytest
from ingest_bench import IngestBench, edge_line, fetch, ingest, transitions
from ingest_site import site_document, write_site
from own_authority import DAY_US, now_us
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from waiting import until

from ingest.certificate_watch import CertificateWatch
from ingest.encryption import Encryption
from telemetry.tls import client_context

RULES = ("centre_certificate_ends", "authority_certificate_ends", "certificate_ends")


async def look(bench: IngestBench, in_days: float = 0.0) -> None:
    """Look as if so many days had passed."""
    async with AsyncConnectionPool(bench.dsn, open=False) as pool:
        watch = CertificateWatch(
            pool, bench.desks, bench.clock, bench.encryption, bench.identity, "127.0.0.1:8381"
        )
        await watch.look(now_us() + round(in_days * DAY_US))
    bench.clock.us += 1_000_000
    await until(lambda: not any(desk.notices for desk in bench.desks))


async def told(connection: AsyncConnection) -> list[tuple[str, ...]]:
    return [one[:3] for one in await transitions(connection) if one[1] in RULES]


@pytest.fixture
def ca(tmp_path: Path) -> own_authority.Ca:
    """An authority with forty days to live, and so has all that it signs."""
    return own_authority.authority(tmp_path / "ca", at_us=now_us() - 3613 * DAY_US)


async def test_the_centres_own_certificates_are_told_at_each_mark_and_end_when_replaced(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, ca: own_authority.Ca
) -> None:
    encryption = Encryption(ca.server(days=39), None, ca.folder)
    site = write_site(tmp_path, site_document())
    centre, authority = ("127.0.0.1:8381", RULES[0]), ("127.0.0.1:8381", RULES[1])
    async with ingest(postgres_dsn, site, encryption=encryption) as bench:
        await look(bench)
        assert await told(connection) == []
        await look(bench, 8.5)  # Of the one are 38 days left now, of the other 39.
        assert await told(connection) == [(*centre, "raise")]
        await look(bench, 8.5)
        await look(bench, 20)
        await look(bench, 25)
        assert await told(connection) == [
            (*centre, "raise"),
            (*authority, "raise"),
            (*authority, "rise"),
            (*centre, "rise"),
        ]
    count = len(await told(connection))
    for drops_checkpoint in (False, True):
        if drops_checkpoint:
            await connection.execute("delete from checkpoint")
        async with ingest(postgres_dsn, site, encryption=encryption) as bench:
            assert bench.desks[0].healing is None
            await look(bench, 25)
        assert len(await told(connection)) == count

    ca = own_authority.authority(tmp_path / "new", at_us=now_us())
    async with ingest(
        postgres_dsn, site, encryption=Encryption(ca.server(), None, ca.folder)
    ) as bench:
        await look(bench, 25)
    assert sorted((await told(connection))[count:]) == sorted(
        [(*centre, "clear"), (*authority, "clear")]
    )
    (row,) = await fetch(
        connection, "select evidence from alarm where rule = %s", "centre_certificate_ends"
    )
    assert row["evidence"]["mark_days"] == 14


async def test_an_edges_certificate_is_told_with_its_structure_and_serial(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, ca: own_authority.Ca
) -> None:
    encryption = Encryption(ca.server(days=39), ca.certificate)
    async with ingest(
        postgres_dsn, write_site(tmp_path, site_document()), encryption=encryption
    ) as bench:
        async with edge_line(bench, secured=client_context(ca.certificate, ca.edge())):

            async def seen() -> bool:
                return bool(await fetch(connection, "select 1 from edge_certificate"))

            await until(seen)
        await look(bench, 10)
        rows = await fetch(connection, "select * from alarm where rule = 'certificate_ends'")
        assert [(row["channel"], row["structure"], row["kind"]) for row in rows] == [
            ("dam-edge", "dam", "technical")
        ]
        assert rows[0]["evidence"]["mark_days"] == 30
        assert rows[0]["evidence"]["ends_at"].endswith("+00:00")

        await connection.execute("update edge_certificate set revoked_at = clock_timestamp()")
        await look(bench, 10)
        assert (await told(connection))[-1] == ("dam-edge", "certificate_ends", "clear")


async def test_the_pages_certificate_is_told_unless_it_is_the_lines(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, ca: own_authority.Ca
) -> None:
    files = ca.server(days=39)
    encryption = Encryption(files)
    async with ingest(
        postgres_dsn, write_site(tmp_path, site_document()), encryption=encryption
    ) as bench:
        assert bench.identity is not None
        see = """
            insert into server_certificate (role, place, subject, serial, ends_at)
            values ('page', %s, 'CN=page', %s, clock_timestamp() + interval '5 days')
        """
        await connection.execute(see, ["mine:8380", bench.identity.certificate.serial])
        await connection.execute(see, ["mine:443", "other"])
        await look(bench, 0)
        assert await told(connection) == [("mine:443", "centre_certificate_ends", "raise")]
