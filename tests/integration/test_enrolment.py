"""Enrolment as an installer does it: a code at the centre, a folder at the edge, and readings."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import own_authority
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from ingest_bench import IngestBench, counted, edge_line, fetch, ingest, transitions
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from waiting import until
from websockets.asyncio.client import connect

from edge_agent.enrolled_folder import EnrolledFolder
from edge_agent.enrolment import Enrolment, NotEnrolledError, _csr, enrol
from edge_agent.settings import EdgeSettings, read_settings
from historian.enrolments import find_code, use_code
from historian.tokens import Scope, create_token, token_id_of
from ingest import admission as admission_module
from ingest.attempts import OF_ADDRESS_MAX
from ingest.edge_access import AccessError, CodeRequest, make_edge_code, revoke_access
from ingest.encryption import Encryption
from ingest.own_certificates import note_own_certificates
from telemetry.certificates import read_pem
from telemetry.enrolment import (
    ENROL_PATH,
    Code,
    Declined,
    Enrolled,
    Request,
    decode_answer,
    decode_offer,
    encode,
)
from telemetry.site_file import read_site_file
from telemetry.tls import client_context

PLAN = plan_in(site_document())
EDGE = "mine/dam-edge"


@pytest.fixture
def ca(tmp_path: Path) -> own_authority.Ca:
    return own_authority.authority(tmp_path / "ca")


@pytest.fixture
async def bench(
    postgres_dsn: str, tmp_path: Path, ca: own_authority.Ca, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[IngestBench]:
    monkeypatch.setattr(admission_module, "CHECK_CALLERS_EVERY_S", 0.05)
    encryption = Encryption(ca.server(), None, ca.folder)
    site = write_site(tmp_path, site_document())
    async with ingest(postgres_dsn, site, encryption=encryption) as opened:
        await note_own(opened)
        yield opened


async def note_own(bench: IngestBench) -> None:
    async with AsyncConnectionPool(bench.dsn, open=False) as pool:
        await note_own_certificates(pool, bench.encryption, bench.identity, "test")


async def code_for(bench: IngestBench, edge: str = EDGE, **more: Any) -> Code:
    request = CodeRequest(
        edge, more.get("lifetime_s", 900.0), more.get("keeps", False), more.get("authority")
    )
    return await asyncio.to_thread(make_edge_code, bench.dsn, request)


async def enrolled(
    bench: IngestBench, code: object, out: Path, scheme: str = "wss", **more: Any
) -> EnrolledFolder:
    asked = Enrolment(f"{scheme}://127.0.0.1:{bench.port}", str(code), out, **more)
    return await asyncio.to_thread(enrol, asked)


def settings_in(folder: EnrolledFolder) -> EdgeSettings:
    return read_settings({}, {}, folder.settings)


async def delivers(bench: IngestBench, settings: EdgeSettings, group: str = "levels") -> None:
    """Send with what was enrolled, and nothing else."""
    assert settings.authority is not None
    secured = client_context(settings.authority, settings.credentials)
    token = settings.token_file.read_text(encoding="utf-8").strip()
    async with edge_line(bench, settings.edge, token=token, secured=secured) as line:
        await line.put(block(PLAN, group, [[1.0, 2.0]]))
        await line.drained()


async def test_an_enrolled_edge_has_all_it_needs(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    code = await code_for(bench)
    assert code.fingerprint is not None
    folder = await enrolled(bench, code, tmp_path / "box", edge=EDGE)

    settings = settings_in(folder)
    assert settings.edge == "dam-edge"
    assert read_site_file(settings.site).site == "mine"
    for path in folder.path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert {path.name for path in folder.path.iterdir()} == {
        *("authority.crt", "edge.crt", "edge.key", "edge.token", "edge.toml", "site.yaml")
    }
    assert settings.certificate is not None
    (certificate,) = read_pem(settings.certificate.read_bytes())
    assert certificate.edge == ("mine", "dam-edge")
    await delivers(bench, settings)

    token_id = token_id_of(settings.token_file.read_text(encoding="utf-8").strip())
    rows = await fetch(connection, "select * from edge_certificate")
    assert [(row["serial"], row["token_id"]) for row in rows] == [(certificate.serial, token_id)]
    (made, done) = await fetch(connection, "select * from identity_record order by number")
    assert (made["what"], made["site"], made["edge"]) == ("code_made", "mine", "dam-edge")
    assert (done["what"], done["token_id"], done["who"]) == ("enrolled", token_id, "127.0.0.1")
    (dump,) = await fetch(connection, "select string_agg(t::text, '') as all from enrolment_code t")
    assert code.secret not in dump["all"]


async def test_a_code_works_once(bench: IngestBench, tmp_path: Path) -> None:
    code = await code_for(bench)
    first = await enrolled(bench, code, tmp_path / "first")
    with pytest.raises(NotEnrolledError, match="used already"):
        await enrolled(bench, code, tmp_path / "second")
    assert not (tmp_path / "second").exists()
    await delivers(bench, settings_in(first))


@pytest.mark.parametrize("round_", range(3))
async def test_of_many_at_once_exactly_one_succeeds(
    bench: IngestBench, connection: AsyncConnection, round_: int
) -> None:
    code = await code_for(bench)
    csr = request_for_a_certificate()
    answers = await asyncio.gather(
        *(speak(bench, Request(code.code_id, code.secret, csr)) for _ in range(6))
    )
    got = [one for one in answers if isinstance(one, Enrolled)]
    declined = [one for one in answers if isinstance(one, Declined)]
    assert len(got) == 1
    assert all("used already" in one.message for one in declined)
    tokens = await fetch(connection, "select token_id from token where label = 'enrolled'")
    assert [row["token_id"] for row in tokens] == [token_id_of(got[0].token)]


async def test_a_code_ends_with_its_time(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    code = await code_for(bench)
    await connection.execute("update enrolment_code set expires_at = clock_timestamp()")
    with pytest.raises(NotEnrolledError, match="too old"):
        await enrolled(bench, code, tmp_path / "box")


async def test_a_code_is_for_its_edge_alone(bench: IngestBench, tmp_path: Path) -> None:
    code = await code_for(bench)
    with pytest.raises(NotEnrolledError, match="is for edge mine/dam-edge, not for mine/hill-edge"):
        await enrolled(bench, code, tmp_path / "hill", edge="mine/hill-edge")
    settings = settings_in(await enrolled(bench, code, tmp_path / "dam", edge=EDGE))
    token = settings.token_file.read_text(encoding="utf-8").strip()
    async with edge_line(bench, "hill-edge", token=token, secured=trusting(bench)) as line:
        await line.ended()
        assert line.refused is not None
        assert line.refused.code == "wrong_site"


@pytest.mark.parametrize("keeps", [False, True])
async def test_enrolling_again_ends_the_older_credentials_unless_they_are_kept(
    bench: IngestBench, tmp_path: Path, keeps: bool
) -> None:
    first = settings_in(await enrolled(bench, await code_for(bench), tmp_path / "first"))
    second = settings_in(
        await enrolled(bench, await code_for(bench, keeps=keeps), tmp_path / "second")
    )
    await delivers(bench, second)
    if keeps:
        await delivers(bench, first)
    else:
        with pytest.raises(Exception, match="401"):
            await delivers(bench, first)


async def test_again_in_the_same_folder_settings_and_spool_stay(
    bench: IngestBench, tmp_path: Path
) -> None:
    first = await enrolled(bench, await code_for(bench), tmp_path / "box")
    text = first.settings.read_text(encoding="utf-8")
    first.settings.write_text(f"{text}drain_s = 3.5\n", encoding="utf-8")
    before = settings_in(first)
    old_token = before.token_file.read_text(encoding="utf-8")

    code = await code_for(bench)
    with pytest.raises(NotEnrolledError, match="--again"):
        await enrolled(bench, code, tmp_path / "box")
    after = settings_in(await enrolled(bench, code, tmp_path / "box", again=True))

    assert after == before
    assert after.drain_s == 3.5
    assert after.token_file.read_text(encoding="utf-8") != old_token
    await delivers(bench, after)


async def test_revoking_an_edge_cuts_its_line_and_ends_its_certificate(
    bench: IngestBench, tmp_path: Path, connection: AsyncConnection
) -> None:
    waiting = await code_for(bench)  # Revoking ends what is on its way, too.
    settings = settings_in(await enrolled(bench, await code_for(bench), tmp_path / "box"))
    token = settings.token_file.read_text(encoding="utf-8").strip()
    assert settings.authority is not None
    secured = client_context(settings.authority, settings.credentials)
    async with edge_line(bench, "dam-edge", token=token, secured=secured) as line:
        lines = await asyncio.to_thread(revoke_access, bench.dsn, EDGE)
        await line.ended()
        assert line.refused is not None
        assert line.refused.code == "unauthorised"
    assert len(lines) == 2
    # A new token does not bring a revoked certificate back.
    with pytest.raises(Exception, match="403"):
        async with edge_line(bench, "dam-edge", secured=secured):
            pass
    with pytest.raises(NotEnrolledError, match="used already, or the edge was revoked"):
        await enrolled(bench, waiting, tmp_path / "late")
    with pytest.raises(AccessError, match="nothing to revoke"):
        await asyncio.to_thread(revoke_access, bench.dsn, "mine/hill-edge")
    (row,) = await fetch(connection, "select count(*) from identity_record where what = 'revoked'")
    assert row["count"] == 2


async def test_whoever_enrols_while_the_edge_is_revoked_is_revoked_too(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    await enrolled(bench, await code_for(bench), tmp_path / "box")
    code = await code_for(bench)
    async with AsyncConnectionPool(bench.dsn, open=False) as pool, pool.connection() as thief:
        assert await find_code(thief, code.code_id, code.secret) is not None
        await create_token(thief, Scope.EDGE, "mine", "dam-edge", "enrolled", bench.clock.now_us())
        revoking = asyncio.create_task(asyncio.to_thread(revoke_access, bench.dsn, EDGE))
        await until(lambda: fetch(connection, "select from pg_locks where not granted"))
        assert await use_code(thief, code.code_id)
        await thief.commit()
        await revoking
    valid = "select from token where scope = 'edge' and edge = 'dam-edge' and revoked_at is null"
    assert await fetch(connection, valid) == []


async def test_one_token_is_revoked_by_its_id(bench: IngestBench, tmp_path: Path) -> None:
    settings = settings_in(await enrolled(bench, await code_for(bench), tmp_path / "box"))
    token = settings.token_file.read_text(encoding="utf-8").strip()
    lines = await asyncio.to_thread(revoke_access, bench.dsn, token_id_of(token) or "")
    assert len(lines) == 2  # The token, and the certificate that was enrolled with it.
    with pytest.raises(Exception, match="401"):
        await delivers(bench, settings)


async def test_wrong_codes_are_slowed_down_and_become_an_alarm(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    good = await code_for(bench)
    before = counted("enrolments_total", outcome="wrong_code")
    for number in range(OF_ADDRESS_MAX):
        wrong = Code(good.code_id, f"{number}" * 27, good.fingerprint)
        with pytest.raises(NotEnrolledError, match="the code is unknown"):
            await enrolled(bench, wrong, tmp_path / "guess")
    assert counted("enrolments_total", outcome="wrong_code") - before == OF_ADDRESS_MAX
    with pytest.raises(NotEnrolledError, match="too many wrong codes"):
        await enrolled(bench, good, tmp_path / "box")

    async def told() -> bool:
        return [one[1:3] for one in await transitions(connection)] == [
            ("enrolment_refused", "raise"),
            ("enrolment_refused", "clear"),
        ]

    await until(told)
    async with edge_line(bench, "hill-edge", secured=trusting(bench)) as line:
        await line.put(block(PLAN, "cracks", [[1.0]]))
        await line.drained()  # Who is enrolled already notices nothing.


async def test_an_impostor_gets_no_code(
    bench: IngestBench, tmp_path: Path, postgres_dsn: str
) -> None:
    """Somebody in between who has certificates of his own, for the same address."""
    impostor_ca = own_authority.authority(tmp_path / "impostor", "Test mine")
    code = await code_for(bench)
    encryption = Encryption(impostor_ca.server(), None, impostor_ca.folder)
    site = write_site(tmp_path, site_document("pit"))
    async with ingest(postgres_dsn, site, encryption=encryption) as impostor:
        with pytest.raises(NotEnrolledError, match="another fingerprint"):
            await enrolled(impostor, code, tmp_path / "box")
        # He may show the right authority, too; then his own certificate is not believed.
        shown = impostor_ca.folder / "authority.crt"
        (impostor_ca.folder / "authority.key").unlink()
        shown.write_bytes((tmp_path / "ca" / "authority.crt").read_bytes())
        with pytest.raises(NotEnrolledError, match="not signed by an authority that is known"):
            await enrolled(impostor, code, tmp_path / "box")
    await enrolled(bench, code, tmp_path / "box")  # The code was never shown to him.


async def test_over_an_open_line_only_on_the_same_machine(
    postgres_dsn: str, tmp_path: Path
) -> None:
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        code = await code_for(bench)
        assert code.fingerprint is None
        settings = settings_in(await enrolled(bench, code, tmp_path / "box", scheme="ws"))
        assert settings.credentials is None
        assert settings.centre.startswith("ws://")
        async with edge_line(
            bench, token=settings.token_file.read_text(encoding="utf-8").strip()
        ) as line:
            await line.put(block(PLAN, "levels", [[1.0, 2.0]]))
            await line.drained()
    for address in ("ws://centre.example:8381", "ws://10.0.0.5:8381"):
        with pytest.raises(NotEnrolledError, match="--without-encryption"):
            enrol(Enrolment(address, str(code), tmp_path / "none"))
    assert not (tmp_path / "none").exists()


async def test_a_centre_that_only_trusts_gives_no_certificate(
    bench: IngestBench, ca: own_authority.Ca, tmp_path: Path
) -> None:
    """Its authority's key is elsewhere; the token is enough."""
    (ca.folder / "authority.key").unlink()
    settings = settings_in(await enrolled(bench, await code_for(bench), tmp_path / "box"))
    assert settings.credentials is None
    assert settings.authority is not None
    await delivers(bench, settings)


@pytest.mark.parametrize(
    ("edge", "said"),
    [
        ("mine", "SITE/EDGE"),
        ("pit/dam-edge", "no site 'pit'"),
        ("mine/shaft-edge", "dam-edge, hill-edge"),
    ],
)
async def test_codes_are_made_for_edges_that_exist(
    bench: IngestBench, edge: str, said: str
) -> None:
    with pytest.raises(AccessError, match=said):
        await code_for(bench, edge)
    with pytest.raises(AccessError, match="seven days"):
        await code_for(bench, lifetime_s=1e6)


@pytest.mark.parametrize("message", ["", "hello", "{}", "[" * 5000, b"\xff\xfe", "x" * 20_000])
async def test_nonsense_is_declined_with_a_sentence(
    bench: IngestBench, message: str | bytes
) -> None:
    async with connect(
        f"wss://127.0.0.1:{bench.port}{ENROL_PATH}", ssl=trusting(bench), proxy=None
    ) as line:
        decode_offer(await line.recv())
        await line.send(message)
        answer = decode_answer(await line.recv())
    assert isinstance(answer, Declined)
    assert answer.message


def trusting(bench: IngestBench) -> Any:
    assert bench.encryption.believed is not None
    return client_context(bench.encryption.believed)


async def speak(bench: IngestBench, request: Request) -> Enrolled | Declined:
    async with connect(
        f"wss://127.0.0.1:{bench.port}{ENROL_PATH}", ssl=trusting(bench), proxy=None
    ) as line:
        decode_offer(await line.recv())
        await line.send(encode(request))
        return decode_answer(await line.recv())


def request_for_a_certificate() -> str:
    return _csr(ec.generate_private_key(ec.SECP256R1()))
