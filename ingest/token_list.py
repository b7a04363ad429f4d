"""Which tokens there are, and the end of one."""

import asyncio
from datetime import UTC, datetime

from historian.connection import connect
from historian.identities import revoke
from historian.tokens import TokenRecord, read_tokens, token_id_of
from ingest.edge_access import user_here

HEADINGS = ("id", "scope", "site", "edge", "label", "created", "expires", "revoked")


class UnknownTokenError(Exception):
    """There is no such token to end; the message says what to look at."""


def list_tokens(dsn: str) -> str:
    """Write a table of all tokens, the oldest first."""
    return "\n".join(table_of(asyncio.run(_read(dsn))))


def end_token(dsn: str, named: str) -> str:
    """Revoke a token that is named by its id, or by itself; say what that does."""
    token_id = token_id_of(named) or named.removeprefix("gw_")
    if not asyncio.run(_revoke(dsn, token_id)):
        raise UnknownTokenError(
            f"There is no token '{token_id}' that could still be revoked; "
            "`groundwatch tokens` lists them all."
        )
    return f"Revoked {token_id}; lines that are open with it end within half a minute."


def table_of(tokens: list[TokenRecord]) -> list[str]:
    """Write tokens as lines of columns."""
    rows = [HEADINGS, *(_row(one) for one in tokens)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(one: TokenRecord) -> tuple[str, ...]:
    ends = "-" if one.parent is None else f"with {one.parent}"
    return (
        one.token_id,
        one.scope,
        one.site or "all",
        one.edge or "-",
        "".join(sign if sign.isprintable() else " " for sign in one.label),
        _instant(one.created_at),
        ends if one.expires_at is None else _instant(one.expires_at),
        "-" if one.revoked_at is None else _instant(one.revoked_at),
    )


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def _read(dsn: str) -> list[TokenRecord]:
    async with await connect(dsn, name="token", autocommit=True) as conn:
        return await read_tokens(conn)


async def _revoke(dsn: str, token_id: str) -> bool:
    async with await connect(dsn, name="token", autocommit=True) as conn, conn.transaction():
        return bool(await revoke(conn, who=user_here(), token_id=token_id))
