"""Page and API over TLS: cookies, origins, the live line, and a certificate that is renewed."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import own_authority
import pytest
from api_centre import Centre, running_centre
from own_authority import DAY_US, now_us
from psycopg import AsyncConnection
from waiting import until
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api import encryption as encryption_module
from api.service import run_api
from api.settings import ApiSettings
from historian.tokens import Scope, create_sign_in_code
from telemetry.tls import Credentials, client_context

HOST = "centre.mine.example"


@pytest.fixture
def ca(tmp_path: Path) -> own_authority.Ca:
    return own_authority.authority(tmp_path / "ca")


@pytest.fixture
async def centre(
    postgres_dsn: str, tmp_path: Path, ca: own_authority.Ca, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Centre]:
    monkeypatch.setattr(encryption_module, "LOOK_EVERY_S", 0.02)
    credentials = ca.server("127.0.0.1", HOST)
    async with running_centre(postgres_dsn, tmp_path, credentials=credentials) as running:
        yield running


def client(centre: Centre, ca: own_authority.Ca, token: str | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{centre.settings.port}",
        verify=client_context(ca.certificate),
        headers={} if token is None else {"authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=10,
    )


async def test_a_session_over_https_has_a_secure_cookie(
    centre: Centre, ca: own_authority.Ca
) -> None:
    own = f"https://{HOST}:{centre.settings.port}"
    code = await create_sign_in_code(centre.connection, Scope.OPERATOR, lifetime_s=60)
    async with client(centre, ca) as page:
        plain = f"http://{HOST}:{centre.settings.port}"
        for origin in (plain, "https://elsewhere.example", f"https://{HOST}"):
            refused = await page.post(
                "/api/v1/session", json={"code": code}, headers={"origin": origin}
            )
            assert refused.status_code == 403
        signed_in = await page.post("/api/v1/session", json={"code": code}, headers={"origin": own})
        assert signed_in.status_code == 200
        cookie = signed_in.headers["set-cookie"].lower()
        assert "; secure" in cookie
        assert "httponly" in cookie
        assert (await page.get("/api/v1/sites")).status_code == 200
        signed_out = await page.delete("/api/v1/session", headers={"origin": own})
        assert "; secure" in signed_out.headers["set-cookie"].lower()


async def test_the_live_line_is_secured_and_asks_for_the_origin(
    centre: Centre, ca: own_authority.Ca
) -> None:
    address = f"wss://127.0.0.1:{centre.settings.port}/api/v1/live"
    headers = {"authorization": f"Bearer {centre.viewer}"}
    secured = client_context(ca.certificate)
    async with connect(
        address,
        ssl=secured,
        additional_headers=headers,
        origin=f"https://{HOST}:{centre.settings.port}",
        proxy=None,
    ):
        pass
    with pytest.raises(InvalidStatus, match="403"):
        await connect(
            address,
            ssl=secured,
            additional_headers=headers,
            origin=f"http://{HOST}:{centre.settings.port}",
            proxy=None,
        )


async def test_a_renewed_certificate_is_served_and_written_down(
    centre: Centre, ca: own_authority.Ca
) -> None:
    async def noted() -> str | None:
        rows = await centre.fetch("select serial from server_certificate where role = 'page'")
        return rows[0][0] if rows else None

    first = await until(noted)
    (ca.folder / "centre.crt").write_text("spoiled", encoding="utf-8")
    async with client(centre, ca) as page:
        assert (await page.get("/healthz")).status_code == 200
    ca.server("127.0.0.1", HOST)

    async def renewed() -> bool:
        return await noted() not in {None, first}

    await until(renewed)
    async with client(centre, ca) as page:
        assert (await page.get("/healthz")).status_code == 200


async def test_who_does_not_believe_us_is_counted(centre: Centre, tmp_path: Path) -> None:
    stranger = own_authority.authority(tmp_path / "other", "Somebody else")
    async with client(centre, stranger) as page:
        with pytest.raises(httpx.ConnectError):
            await page.get("/healthz")
    with pytest.raises(httpx.HTTPError):
        async with httpx.AsyncClient(trust_env=False) as plain:
            await plain.get(f"http://127.0.0.1:{centre.settings.port}/healthz")


def test_certificates_that_cannot_be_used_are_a_sentence(
    postgres_dsn: str,
    connection: AsyncConnection,
    ca: own_authority.Ca,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = Credentials(ca.server().certificate, ca.server(name="other").key)
    settings = ApiSettings(dsn=postgres_dsn, port=0, credentials=files)
    assert run_api(settings) == 3
    assert "does not belong to the certificate" in capsys.readouterr().err


def test_origins_follow_the_certificate(ca: own_authority.Ca) -> None:
    files = ca.server("Centre.Mine.example", "10.0.0.5", "2001:db8::1")
    at = lambda port: ApiSettings(dsn="", port=port, credentials=files).own_origins  # noqa: E731
    assert {
        "https://centre.mine.example:8380",
        "https://10.0.0.5:8380",
        "https://[2001:db8::1]:8380",
        "https://localhost:8380",
    } <= at(8380)
    assert "https://centre.mine.example" in at(443)
    assert not any(one.startswith("http:") for one in at(8380))
    assert "http://127.0.0.1:8380" in ApiSettings(dsn="", port=8380).own_origins


def test_an_expired_certificate_starts_all_the_same(ca: own_authority.Ca) -> None:
    """A centre that refuses to start tells nobody of alarms; one with an old certificate does."""
    ApiSettings(dsn="", credentials=ca.server(at_us=now_us() - 900 * DAY_US)).own_origins  # noqa: B018
