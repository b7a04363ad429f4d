"""The gate: closed by default, bounded, and silent about its insides."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_centre import SITE, Centre, deciding_ingest, running_centre
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from ground import START_US, transition
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from starlette.routing import BaseRoute
from stream_server import line_to_store, stream_server, until_one_ends

from alarms.transition import Change
from api.application import create_application
from api.credentials import COOKIE
from api.gate import BODY_BYTES_MAX, READINGS_PATH
from api.settings import ApiSettings
from historian import tokens
from historian.tokens import Scope

STRANGERS = {
    ("GET", "/healthz"),
    ("HEAD", "/healthz"),
    ("GET", "/readyz"),
    ("HEAD", "/readyz"),
    ("POST", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/{path:path}"),
    ("HEAD", "/{path:path}"),
}
ACKNOWLEDGEMENTS = f"/api/v1/sites/{SITE}/acknowledgements"
PARAMETERS = {
    "{site}": SITE,
    "{channel}": "crack-1-opening",
    "{edge}": "dam-edge",
    "{back_test}": "none",  # No number, so whoever may ask is told that.
    "{path:path}": "somewhere",
}


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Every (method, path) that the application serves, websockets as WEBSOCKET."""
    found: list[tuple[str, str]] = []

    def walk(routes: list[BaseRoute]) -> None:
        for route in routes:
            if isinstance(route, APIRoute):
                found.extend((method, route.path) for method in sorted(route.methods))
            elif isinstance(route, APIWebSocketRoute):
                found.append(("WEBSOCKET", route.path))
            elif router := getattr(route, "original_router", None):
                walk(list(router.routes))
            else:
                raise AssertionError(f"a kind of route that this test does not know: {route!r}")

    walk(list(app.router.routes))
    return found


def concrete(path: str) -> str:
    for name, value in PARAMETERS.items():
        path = path.replace(name, value)
    assert "{" not in path, f"say in PARAMETERS what to put into {path}"
    return path


async def test_every_route_refuses_strangers_viewers_and_edges_as_it_should(
    centre: Centre, tmp_path: Path
) -> None:
    routes = routes_of(create_application(ApiSettings(dsn="", page=tmp_path)))
    assert {("GET", "/api/v1/sites"), ("WEBSOCKET", "/api/v1/live")} <= set(routes)
    async with (
        centre.client(None) as stranger,
        centre.client(centre.edge) as edge,
        centre.client(centre.viewer) as viewer,
    ):
        for method, path in routes:
            if (method, path) in STRANGERS or method == "WEBSOCKET":
                continue  # The live line is tried in test_live.py.
            address = concrete(path)
            assert (await stranger.request(method, address)).status_code == 401, address
            if (method, path) != ("POST", READINGS_PATH):
                assert (await edge.request(method, address)).status_code == 403, address
            answer = await viewer.request(method, address)
            if method in {"GET", "HEAD"}:
                assert answer.status_code in {200, 422}, address
            else:
                assert answer.status_code == 403, address
    assert set(routes) >= STRANGERS


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/new", "/api/v2/sites", "/api/v1/session/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
async def test_what_does_not_exist_is_closed_too(centre: Centre, method: str, path: str) -> None:
    async with centre.client(None) as stranger:
        assert (await stranger.request(method, path)).status_code == 401


async def test_refusals_are_sentences_and_carry_security_headers(centre: Centre) -> None:
    async with centre.client(None) as stranger:
        refused = await stranger.get("/api/v1/sites")
    assert refused.json()["error"]["code"] == "unauthorised"
    assert refused.json()["error"]["message"].endswith(".")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["cache-control"] == "no-store"
    assert refused.headers["x-content-type-options"] == "nosniff"
    policy = refused.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "server" not in refused.headers


async def test_an_expired_and_a_revoked_token_are_refused(centre: Centre) -> None:
    expired = await tokens.create_token(
        centre.connection, Scope.VIEWER, None, None, "test", START_US, lifetime_s=-1
    )
    tampered = centre.viewer[:-1] + ("A" if centre.viewer[-1] != "A" else "B")
    sly = {"cookie": f'{COOKIE}="gw_0\\0001_wrong"'}  # A quoted cookie may hold any character.
    async with centre.client(None) as stranger:
        assert (await stranger.get("/api/v1/sites", headers=sly)).status_code == 401
    async with centre.client(centre.viewer) as client:
        assert (await client.get("/api/v1/sites")).status_code == 200
        for wrong in (expired, tampered, "gw_x", "é", "gw_" + "x" * 4000):
            headers = {"authorization": f"Bearer {wrong}".encode()}
            assert (await client.get("/api/v1/sites", headers=headers)).status_code == 401
        token_id = tokens.token_id_of(centre.viewer)
        assert token_id is not None
        await tokens.revoke_token(centre.connection, token_id)
        assert (await client.get("/api/v1/sites")).status_code == 401


async def test_the_store_holds_no_usable_token(centre: Centre) -> None:
    [rows] = await centre.fetch("select json_agg(token)::text from token")
    for token in (centre.operator, centre.viewer, centre.edge):
        assert token.split("_", 2)[2] not in rows[0]


async def test_a_cookie_acts_only_for_our_own_page(centre: Centre, postgres_dsn: str) -> None:
    await centre.flush(transition(Change.RAISE, "blue", at_s=0))
    asked = {"occurrence": f"crack-1/limit_high/{START_US}", "person": "Li Na"}
    async with centre.client(None) as browser, deciding_ingest(centre, postgres_dsn):
        await browser.post("/api/v1/session", json={"token": centre.operator})
        for origin in (None, "null", "https://elsewhere.example", "http://127.0.0.1:1"):
            headers = {} if origin is None else {"origin": origin}
            refused = await browser.post(ACKNOWLEDGEMENTS, json=asked, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                403,
                "foreign_origin",
            )
        own = await browser.post(ACKNOWLEDGEMENTS, json=asked, headers={"origin": centre.url})
    assert own.status_code == 200


def endless() -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 16_384

    return chunks()


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_large_body_is_refused_before_it_is_read(centre: Centre, chunked: bool) -> None:
    content = endless() if chunked else b" " * (BODY_BYTES_MAX + 1)
    async with centre.client(centre.operator) as client:
        try:
            answer = await client.post(ACKNOWLEDGEMENTS, content=content)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            return  # The answer was on its way while we still wrote; the line is closed.
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"[" * 60_000, "application/json", 400),
        (b'{"occurrence": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b'{"occurrence": "\xff"}', "application/json", 400),
        (b"occurrence=1", "application/x-www-form-urlencoded", 422),
        (b"", "application/json", 422),
    ],
)
async def test_a_strange_body_is_refused_with_a_sentence(
    centre: Centre, content: bytes, kind: str, status: int
) -> None:
    async with centre.client(centre.operator) as client:
        answer = await client.post(
            ACKNOWLEDGEMENTS, content=content, headers={"content-type": kind}
        )
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"].endswith(".")


async def test_a_failure_shows_an_id_and_nothing_else(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    await centre.connection.execute("alter table journal_head rename to elsewhere")
    async with centre.client(centre.viewer) as client:
        answer = await client.get(f"/api/v1/sites/{SITE}/alarms")
    assert answer.status_code == 500
    message = answer.json()["error"]["message"]
    failure_id = re.search(r"[0-9a-f]{12}", message)
    assert failure_id is not None
    assert "journal" not in answer.text
    logged = capsys.readouterr().out
    assert failure_id[0] in logged
    assert "journal_head" in logged
    assert centre.viewer not in logged


async def test_a_page_that_is_not_built_says_how(centre: Centre) -> None:
    async with centre.client(None) as stranger:
        answer = await stranger.get("/")
    assert "make install" in answer.text


async def test_the_page_and_nothing_beside_it_is_served(postgres_dsn: str, tmp_path: Path) -> None:
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<title>the page</title>")
    (page / "assets" / "index-abc.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    (page / "link.txt").symlink_to(tmp_path / "secret.txt")
    async with (
        running_centre(postgres_dsn, tmp_path, page=page) as centre,
        centre.client(None) as stranger,
    ):
        for address in ("/", "/index.html", "/structures/north-dam"):
            answer = await stranger.get(address)
            assert "the page" in answer.text
            assert answer.headers["cache-control"] == "no-cache"
            assert "script-src 'self'" in answer.headers["content-security-policy"]
        script = await stranger.get("/assets/index-abc.js")
        assert "immutable" in script.headers["cache-control"]
        assert "javascript" in script.headers["content-type"]
        assert (await stranger.get("/assets/index-old.js")).status_code == 404
        for sly in ("/link.txt", "/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/%00.js"):
            assert "secret" not in (await stranger.get(sly)).text


async def test_openapi_describes_every_route_to_those_who_have_signed_in(centre: Centre) -> None:
    async with centre.client(centre.viewer) as viewer:
        described = (await viewer.get("/api/v1/openapi.json")).json()
    assert "/api/v1/sites/{site}/acknowledgements" in described["paths"]
    assert "/api/v1/sites/{site}/channels/{channel}/history" in described["paths"]


@asynccontextmanager
async def cuttable(dsn: str, folder: Path) -> AsyncIterator[tuple[str, "Cable"]]:
    """A way to the database that a test can cut: (dsn through it, the cable)."""
    parts = conninfo_to_dict(dsn)
    port = int(parts.get("port") or 5432)
    cable = Cable(str(parts["host"]), port, folder / f".s.PGSQL.{port}")
    await cable.mend()
    try:
        yield make_conninfo(dsn, host=str(folder)), cable
    finally:
        await cable.cut()


class Cable:
    """Carries bytes between two Unix sockets, until cut."""

    def __init__(self, host: str, port: int, path: Path) -> None:
        self._host, self._port = host, port
        self._path = path
        self._serving = AsyncExitStack()

    async def mend(self) -> None:
        await self._serving.enter_async_context(stream_server(self._carry, path=self._path))

    async def cut(self) -> None:
        await self._serving.aclose()
        self._path.unlink(missing_ok=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()

        async with line_to_store(self._host, self._port) as (far_reader, far_writer):
            await until_one_ends(pump(reader, far_writer), pump(far_reader, writer))


async def test_without_the_database_it_says_so_and_recovers_by_itself(
    postgres_dsn: str, tmp_path: Path
) -> None:
    folder = Path("/tmp") / f"gw-{os.getpid()}"  # A socket's path has to be short.
    folder.mkdir()
    async with (
        cuttable(postgres_dsn, folder) as (cuttable_dsn, cable),
        running_centre(postgres_dsn, tmp_path, api_dsn=cuttable_dsn) as centre,
        centre.client(centre.viewer) as client,
    ):
        assert (await client.get("/api/v1/sites")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        await cable.cut()
        away = await client.get("/api/v1/sites")
        assert (away.status_code, away.json()["error"]["code"]) == (503, "database_away")
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        # Just now counters are wanted; who was let in before is known still, nobody else is.
        assert "groundwatch_live_clients" in (await client.get("/metrics")).text
        async with centre.client(centre.operator) as unknown:
            assert (await unknown.get("/metrics")).status_code == 503

        await cable.mend()
        async with asyncio.timeout(20):
            while (await client.get("/api/v1/sites")).status_code != 200:
                pass
    folder.rmdir()
