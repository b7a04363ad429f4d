"""How people, programs and edges get in: sign-in links and tokens."""

import asyncio
import os
from pathlib import Path

from historian.connection import connect
from historian.tokens import Scope, create_sign_in_code, create_token
from telemetry.clock import MachineClock

SIGN_IN_CODE_LIFETIME_S = 24 * 3600.0
SITES = "select key from site"
ANYONE_YET = "select exists (select from token where scope <> 'edge')"


class TokenRequestError(Exception):
    """A token that can't be made; the message says what to write instead."""


async def invite(dsn: str, address: str) -> str:
    """Print how to sign in; on the very first start also a token, which is never shown again."""
    async with await connect(dsn, name="invitation", autocommit=True) as conn:
        row = await (await conn.execute(ANYONE_YET)).fetchone()
        if row is not None and not row[0]:
            now_us = MachineClock().now_us()
            token = await create_token(conn, Scope.OPERATOR, None, None, "first start", now_us)
            _say(f"Token for programs (shown once, keep it safe): {token}")
    link = await invitation(dsn, address)
    _say(f"Sign in (once, within a day): {link}")
    return link


async def invitation(dsn: str, address: str) -> str:
    """Make a link that signs one browser in, once."""
    async with await connect(dsn, name="invitation", autocommit=True) as conn:
        code = await create_sign_in_code(conn, Scope.OPERATOR, lifetime_s=SIGN_IN_CODE_LIFETIME_S)
    return f"{address}/#code={code}"


def make_token(dsn: str, *, edge: str | None, scope: str, site: str | None, label: str) -> str:
    """Make a token for an edge, given as SITE/EDGE, or for a program."""
    if edge is not None:
        of_site, slash, of_edge = edge.partition("/")
        if not (of_site and slash and of_edge):
            raise TokenRequestError(f"--edge takes SITE/EDGE, like mine/dam-box; not '{edge}'.")
        return asyncio.run(_make(dsn, Scope.EDGE, of_site, of_edge, label))
    if scope not in (Scope.OPERATOR, Scope.VIEWER):
        raise TokenRequestError(f"--scope is operator or viewer, not '{scope}'.")
    return asyncio.run(_make(dsn, Scope(scope), site, None, label))


def keep_token(token: str, path: Path) -> None:
    """Write a token into a new file that only its owner can read."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise TokenRequestError(
            f"{path} can't be written ({error.strerror}); the token that was made is lost, "
            "name a new file."
        ) from error


async def _make(dsn: str, scope: Scope, site: str | None, edge: str | None, label: str) -> str:
    async with await connect(dsn, name="token", autocommit=True) as conn:
        if site is not None and (site,) not in await (await conn.execute(SITES)).fetchall():
            raise TokenRequestError(
                f"The centre knows no site '{site}'; start `groundwatch serve` with its file first."
            )
        return await create_token(conn, scope, site, edge, label, MachineClock().now_us())


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - the one thing this is for
