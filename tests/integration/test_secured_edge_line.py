"""The edges' line over TLS: real sockets, real certificates, and the real uplink of an edge."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import own_authority
import pytest
from ingest_bench import PATIENCE_S, IngestBench, counted, edge_line, ingest
from ingest_site import block, plan_in, site_document, write_site
from own_authority import DAY_US, now_us
from psycopg import AsyncConnection
from structlog.testing import capture_logs
from waiting import until
from websockets.exceptions import InvalidStatus

from edge_agent.secured_line import SecuredLine
from edge_agent.storing import SpoolThread
from edge_agent.uplink import Uplink
from edge_agent.websocket_carrier import WebsocketCarrier
from historian.tokens import Scope, revoke_token, token_id_of
from ingest import admission as admission_module
from ingest import encryption as encryption_module
from ingest.encryption import Encryption, watch_files
from telemetry.ranges import RangeSet
from telemetry.tls import Credentials, client_context

PLAN = plan_in(site_document())


@pytest.fixture
def ca(tmp_path: Path) -> own_authority.Ca:
    return own_authority.authority(tmp_path / "ca")


@pytest.fixture
async def bench(
    postgres_dsn: str, tmp_path: Path, ca: own_authority.Ca, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[IngestBench]:
    monkeypatch.setattr(admission_module, "CHECK_CALLERS_EVERY_S", 0.05)
    encryption = Encryption(ca.server(), ca.certificate)
    site = write_site(tmp_path, site_document())
    async with ingest(postgres_dsn, site, encryption=encryption) as opened:
        yield opened


@asynccontextmanager
async def uplink(
    bench: IngestBench,
    folder: Path,
    authority: Path | None,
    credentials: Credentials | None = None,
    edge: str = "dam-edge",
    scheme: str = "wss",
) -> AsyncIterator[None]:
    """The edge's own side of a line, with an empty spool."""
    centre = f"{scheme}://127.0.0.1:{bench.port}"
    token_file = folder / "edge.token"
    token_file.write_text(await bench.token(edge), encoding="utf-8")
    spool = SpoolThread(folder / "spool.db", bytes_max=1 << 30)
    await spool.open()
    carrier = WebsocketCarrier(
        centre=centre,
        site="mine",
        token_file=token_file,
        secured=SecuredLine(centre, authority, credentials),
    )
    line = Uplink(carrier=carrier, site="mine", edge=edge, spool=spool)
    running = asyncio.create_task(line.run())
    try:
        yield
    finally:
        await line.finish()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await spool.close()


@pytest.mark.parametrize("shows", [False, True], ids=["token", "token-and-certificate"])
async def test_blocks_are_delivered_over_a_secured_line(
    bench: IngestBench, ca: own_authority.Ca, shows: bool
) -> None:
    secured = client_context(ca.certificate, ca.edge() if shows else None)
    async with edge_line(bench, secured=secured) as line:
        await line.put(block(PLAN, "levels", [[1.0, 2.0]]))
        await line.drained()
    assert line.acknowledged == RangeSet([(1, 1)])


async def test_health_and_metrics_stay_as_they_are(
    bench: IngestBench, ca: own_authority.Ca
) -> None:
    token = await bench.token(None, None, Scope.VIEWER)
    async with httpx.AsyncClient(
        verify=client_context(ca.certificate),
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    ) as client:
        for path in ("healthz", "metrics"):
            assert (await client.get(f"https://127.0.0.1:{bench.port}/{path}")).is_success


@pytest.mark.parametrize(
    ("site", "edge"), [("mine", "hill-edge"), ("pit", "dam-edge"), ("pit", "hill-edge")]
)
async def test_a_certificate_of_another_edge_lets_nobody_in(
    bench: IngestBench, ca: own_authority.Ca, site: str, edge: str
) -> None:
    """Not even with a good token: whoever has stolen one of both has nothing."""
    before = counted("edge_lines_refused_total", reason="wrong_certificate")
    secured = client_context(ca.certificate, ca.edge(site, edge))
    with pytest.raises(InvalidStatus, match="403") as refused:
        async with edge_line(bench, "dam-edge", secured=secured):
            pass
    said = (refused.value.response.body or b"").decode()
    assert f"names {site}/{edge}" in said
    assert "mine/dam-edge" in said
    assert counted("edge_lines_refused_total", reason="wrong_certificate") - before == 1
    assert bench.desks[0].streams == {}


async def test_a_certificate_that_names_no_edge_lets_nobody_in(
    postgres_dsn: str, tmp_path: Path, ca: own_authority.Ca
) -> None:
    """A foreign authority may have signed for many people who are no edges."""
    foreign = own_authority.client_certificate(ca, "somebody")
    encryption = Encryption(ca.server(), ca.certificate)
    site = write_site(tmp_path, site_document())
    async with ingest(postgres_dsn, site, encryption=encryption) as bench:
        with pytest.raises(InvalidStatus, match="403") as refused:
            async with edge_line(bench, secured=client_context(ca.certificate, foreign)):
                pass
    assert "names no edge (CN=somebody)" in (refused.value.response.body or b"").decode()


async def test_a_revoked_certificate_is_refused_and_its_open_line_is_cut(
    bench: IngestBench, connection: AsyncConnection, ca: own_authority.Ca
) -> None:
    async def revoked() -> bool:  # It is noted a moment after the line is open.
        ended = await connection.execute(
            "update edge_certificate set revoked_at = clock_timestamp() where edge = 'dam-edge'"
        )
        return ended.rowcount == 1

    secured = client_context(ca.certificate, ca.edge())
    async with edge_line(bench, secured=secured) as line:
        await until(revoked)
        await line.ended()
        assert line.refused is not None
        assert line.refused.code == "unauthorised"
    with pytest.raises(InvalidStatus, match="403"):
        async with edge_line(bench, secured=secured):
            pass
    async with edge_line(bench, secured=client_context(ca.certificate)):
        pass  # The token alone is good still.


async def test_a_revoked_token_ends_a_secured_line_too(
    bench: IngestBench, connection: AsyncConnection, ca: own_authority.Ca
) -> None:
    token = await bench.token("dam-edge")
    secured = client_context(ca.certificate, ca.edge())
    async with edge_line(bench, token=token, secured=secured) as line:
        assert await revoke_token(connection, token_id_of(token) or "")
        await line.ended()
    with pytest.raises(InvalidStatus, match="401"):
        async with edge_line(bench, token=token, secured=secured):
            pass


async def test_an_edge_that_trusts_the_authority_comes_and_tells_so(
    bench: IngestBench, ca: own_authority.Ca, tmp_path: Path
) -> None:
    with capture_logs() as logs:
        async with uplink(bench, tmp_path, ca.certificate, ca.edge()):
            await until(lambda: told(logs, "line to the centre is up"))


@pytest.mark.parametrize(
    ("case", "words", "counted_as"),
    [
        ("stranger", "--authority", "ours_unknown"),
        ("expired", "own certificate has expired|token alone", None),
        ("unknown client", "does not know the authority that signed it", "unknown_authority"),
        ("plain", "did not receive|closed|disconnect|HTTP|EOF|message", "plain"),
    ],
)
async def test_what_is_wrong_is_told_at_the_edge_and_counted_at_the_centre(
    bench: IngestBench,
    ca: own_authority.Ca,
    tmp_path: Path,
    case: str,
    words: str,
    counted_as: str | None,
) -> None:
    before = counted("edge_handshakes_failed_total", reason=counted_as or "")
    other = own_authority.authority(tmp_path / "other", "Somebody else")
    authority, credentials, scheme = ca.certificate, None, "wss"
    if case == "stranger":
        authority = other.certificate
    elif case == "expired":
        credentials = ca.edge(at_us=now_us() - 3 * 365 * DAY_US)
    elif case == "unknown client":
        credentials = other.edge()
    else:
        scheme = "ws"
    with capture_logs() as logs:
        async with uplink(bench, tmp_path, authority, credentials, scheme=scheme):
            expected = "line to the centre is up" if case == "expired" else "down"
            await until(lambda: told(logs, expected))
    said = " ".join(str(value) for one in logs for value in one.values())
    assert re.search(words, said), said
    if counted_as is not None:
        assert counted("edge_handshakes_failed_total", reason=counted_as) > before


async def test_a_renewed_certificate_needs_no_restart(
    bench: IngestBench, ca: own_authority.Ca, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encryption_module, "LOOK_EVERY_S", 0.02)
    assert bench.identity is not None
    taken = asyncio.Event()

    async def replaced() -> None:
        taken.set()

    watching = asyncio.create_task(watch_files(bench.identity, replaced))
    serial = bench.identity.certificate.serial
    with capture_logs() as logs:
        async with edge_line(bench, secured=client_context(ca.certificate)) as open_line:
            (ca.folder / "centre.crt").write_text("spoiled", encoding="utf-8")
            await until(lambda: told(logs, "new certificate refused"))
            async with edge_line(bench, "hill-edge", secured=client_context(ca.certificate)):
                pass
            ca.server()
            async with asyncio.timeout(PATIENCE_S):
                await taken.wait()
            async with edge_line(bench, "hill-edge", secured=client_context(ca.certificate)):
                pass
            await open_line.put(block(PLAN, "levels", [[1.0, 2.0]]))
            await open_line.drained()  # An open line does not notice.
    watching.cancel()
    assert bench.identity.certificate.serial != serial


def told(logs: list, words: str) -> bool:  # type: ignore[type-arg]
    return any(words in str(one["event"]) for one in logs)
