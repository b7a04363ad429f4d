"""Signing in and out: what a proof opens, for how long, and what it never opens."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from api_centre import Centre, running_centre
from psycopg.errors import ReadOnlySqlTransaction

from api.credentials import COOKIE
from historian import tokens
from historian.tokens import Scope


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


async def test_a_code_opens_one_session_and_signing_out_ends_it(centre: Centre) -> None:
    code = await tokens.create_sign_in_code(centre.connection, Scope.OPERATOR, lifetime_s=60)
    async with centre.client(None) as browser:
        signed_in = await browser.post("/api/v1/session", json={"code": code})
        assert (signed_in.status_code, signed_in.json()) == (200, {"scope": "operator"})
        cookie = signed_in.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/" in cookie
        assert (await browser.get("/api/v1/sites")).status_code == 200
        copied = browser.cookies[COOKIE]
        async with centre.client(None) as second:
            again = await second.post("/api/v1/session", json={"code": code})
            assert again.status_code == 401
            assert again.json()["error"]["code"] == "wrong_code"
        foreign = {"origin": "https://elsewhere.example"}
        assert (await browser.delete("/api/v1/session", headers=foreign)).status_code == 403
        own = {"origin": centre.url}
        assert (await browser.delete("/api/v1/session", headers=own)).status_code == 204
        assert COOKIE not in browser.cookies
    async with centre.client(copied) as thief:
        assert (await thief.get("/api/v1/sites")).status_code == 401


async def test_a_browser_is_signed_out_although_the_database_takes_nothing(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> bool:
        raise ReadOnlySqlTransaction

    own = {"origin": centre.url}
    async with centre.client(None) as browser:
        await browser.post("/api/v1/session", json={"token": centre.viewer})
        monkeypatch.setattr(tokens, "revoke_token", away)
        answer = await browser.delete("/api/v1/session", headers=own)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "session_not_ended")
        assert COOKIE not in browser.cookies


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_page_that_came_encrypted_gets_a_cookie_that_stays_so(
    postgres_dsn: str, tmp_path: Path, encrypted: bool
) -> None:
    async with (
        running_centre(postgres_dsn, tmp_path, origins=("https://mine.example",)) as centre,
        centre.client(None) as browser,
    ):
        origin = "https://mine.example" if encrypted else centre.url
        proof = {"token": centre.viewer}
        answer = await browser.post("/api/v1/session", json=proof, headers={"origin": origin})
    assert ("; Secure" in answer.headers["set-cookie"]) is encrypted


async def test_a_session_ends_with_its_token(centre: Centre) -> None:
    async with centre.client(None) as browser:
        answer = await browser.post("/api/v1/session", json={"token": centre.viewer})
        assert answer.json() == {"scope": "viewer"}
        assert (await browser.get("/api/v1/sites")).status_code == 200
        token_id = tokens.token_id_of(centre.viewer)
        assert token_id is not None
        await tokens.revoke_token(centre.connection, token_id)
        assert (await browser.get("/api/v1/sites")).status_code == 401


async def test_a_session_opens_no_other_that_would_outlive_its_token(centre: Centre) -> None:
    async with centre.client(None) as browser:
        await browser.post("/api/v1/session", json={"token": centre.operator})
        copied = browser.cookies[COOKIE]
    async with centre.client(None) as thief:
        answer = await thief.post("/api/v1/session", json={"token": copied})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": "wrong"}, 401),
        ({"token": "wrong"}, 401),
        ({"token": "gw_0\u00001_wrong"}, 422),
        ({}, 422),
        ({"code": "a", "token": "b"}, 422),
        ({"code": ["a"]}, 422),
        ({"code": "a", "scope": "operator"}, 422),
    ],
)
async def test_a_wrong_proof_signs_nobody_in(
    centre: Centre, body: dict[str, Any], status: int
) -> None:
    async with centre.client(None) as browser:
        answer = await browser.post("/api/v1/session", json=body)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


async def test_an_edge_cannot_sign_in(centre: Centre) -> None:
    async with centre.client(None) as browser:
        answer = await browser.post("/api/v1/session", json={"token": centre.edge})
    assert answer.status_code == 403
