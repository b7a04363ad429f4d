"""Tokens: who may connect, with what scope; only hashes are ever stored.

A token reads ``gw_<id>_<secret>``. The id finds its row and may be shown in lists and logs;
the secret has 256 random bits, so that one SHA-256 is enough to keep it. Expiry and
revocation are judged by the real time of the database's machine, never by scenario time.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg import AsyncConnection

from telemetry.clock import instant_at

TOKEN_CHARACTERS_MAX = 128  # Longer ones are refused before they are hashed.
SECRET_BYTES = 32
ID_BYTES = 6

CREATE = """
    insert into token (token_id, sha256, scope, site, edge, label, created_at, expires_at, parent)
    values (%s, %s, %s, %s, %s, %s, %s,
            clock_timestamp() + make_interval(secs => %s::double precision), %s)
"""
FIND = """
    select token.sha256, token.scope, token.site, token.edge, token.label, token.token_id
    from token left join token as parent on parent.token_id = token.parent
    where token.token_id = any(%s) and token.revoked_at is null and parent.revoked_at is null
      and (token.expires_at is null or token.expires_at > clock_timestamp())
      and (parent.expires_at is null or parent.expires_at > clock_timestamp())
"""
REVOKE = """
    update token set revoked_at = clock_timestamp() where token_id = %s and revoked_at is null
"""
LIST = """
    select token_id, scope, site, edge, label, created_at, expires_at, revoked_at, parent
    from token order by created_at, token_id
"""
CREATE_CODE = """
    insert into sign_in_code (sha256, scope, expires_at)
    values (%s, %s, clock_timestamp() + make_interval(secs => %s::double precision))
"""
USE_CODE = """
    update sign_in_code set used_at = clock_timestamp()
    where sha256 = %s and used_at is null and expires_at > clock_timestamp()
    returning scope
"""
FORGET_CODES = """
    delete from sign_in_code where used_at is not null or expires_at <= clock_timestamp()
"""
# A token that was made by hand is kept, because the list of tokens tells when it ended; sessions
# come by the dozen every day. None is the parent of another.
FORGET_SESSIONS = """
    delete from token
    where label = %s and expires_at < clock_timestamp() - make_interval(secs => %s)
"""
SESSION_LABEL = "session"


class Scope(StrEnum):
    """What a token is for."""

    EDGE = "edge"  # Deliver the scans of one edge; see nothing.
    OPERATOR = "operator"  # See everything and answer for alarms.
    VIEWER = "viewer"  # See everything.


@dataclass(frozen=True, slots=True)
class Token:
    """A token that has been verified."""

    token_id: str
    scope: Scope
    site: str | None  # None: all sites.
    edge: str | None
    label: str

    def may_see(self, site: str) -> bool:
        """Tell whether the token is for a site."""
        return self.site is None or self.site == site


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token; of its secret there is only a hash, which is left out."""

    token_id: str
    scope: Scope
    site: str | None
    edge: str | None
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    parent: str | None  # It ends with that token.


async def create_token(
    conn: AsyncConnection[Any],
    scope: Scope,
    site: str | None,
    edge: str | None,
    label: str,
    at_us: int,
    *,
    lifetime_s: float | None = None,
    parent: str | None = None,
) -> str:
    """Make a token and return it: the only time that it can be seen."""
    token_id = secrets.token_hex(ID_BYTES)
    token = f"gw_{token_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    created_at = instant_at(at_us)
    await conn.execute(
        CREATE,
        (token_id, _sha256(token), scope, site, edge, label, created_at, lifetime_s, parent),
    )
    return token


async def verify_token(conn: AsyncConnection[Any], token: str) -> Token | None:
    """Look a token up; None when it is unknown, wrong, expired or revoked."""
    token_id = token_id_of(token)
    if token_id is None:
        return None
    cursor = await conn.execute(FIND, ([token_id],))
    row = await cursor.fetchone()
    if row is None or not hmac.compare_digest(bytes(row[0]), _sha256(token)):
        return None
    return Token(token_id=token_id, scope=Scope(row[1]), site=row[2], edge=row[3], label=row[4])


async def find_token(conn: AsyncConnection[Any], token_id: str) -> tuple[Token, bytes] | None:
    """Return the valid token with an id, and the hash of the whole, for who proves to know it."""
    row = await (await conn.execute(FIND, ([token_id],))).fetchone()
    if row is None:
        return None
    token = Token(token_id=token_id, scope=Scope(row[1]), site=row[2], edge=row[3], label=row[4])
    return token, bytes(row[0])


async def still_valid(conn: AsyncConnection[Any], token_ids: list[str]) -> set[str]:
    """Tell which of these tokens, verified before, are neither expired nor revoked."""
    cursor = await conn.execute(FIND, (token_ids,))
    return {row[5] for row in await cursor.fetchall()}


async def revoke_token(conn: AsyncConnection[Any], token_id: str) -> bool:
    """End a token; tell whether there was one to end."""
    return (await conn.execute(REVOKE, (token_id,))).rowcount > 0


async def read_tokens(conn: AsyncConnection[Any]) -> list[TokenRecord]:
    """Read what is known of every token, also of those that have ended."""
    rows = await (await conn.execute(LIST)).fetchall()
    return [TokenRecord(row[0], Scope(row[1]), *row[2:]) for row in rows]


async def create_sign_in_code(
    conn: AsyncConnection[Any], scope: Scope, *, lifetime_s: float
) -> str:
    """Make a code that one browser can exchange once for a session."""
    code = secrets.token_urlsafe(SECRET_BYTES)
    await conn.execute(CREATE_CODE, (_sha256(code), scope, lifetime_s))
    return code


async def use_sign_in_code(conn: AsyncConnection[Any], code: str) -> Scope | None:
    """Use a code up; None when it is unknown, expired or used already."""
    if len(code) > TOKEN_CHARACTERS_MAX:
        return None
    row = await (await conn.execute(USE_CODE, (_sha256(code),))).fetchone()
    return None if row is None else Scope(row[0])


async def forget_sign_in_codes(conn: AsyncConnection[Any]) -> int:
    """Forget codes that are used or expired: neither can be used again. Return how many."""
    return (await conn.execute(FORGET_CODES)).rowcount


async def forget_sessions(conn: AsyncConnection[Any], *, older_than_s: float) -> int:
    """Forget sessions that expired so long ago; return how many."""
    return (await conn.execute(FORGET_SESSIONS, (SESSION_LABEL, older_than_s))).rowcount


def token_id_of(token: str) -> str | None:
    """Read the visible id out of a token; None when it cannot be one of ours.

    >>> token_id_of("gw_0a1b2c3d4e5f_secret")
    '0a1b2c3d4e5f'
    >>> token_id_of("something else") is None
    True
    """
    parts = token.split("_", 2)
    if len(token) > TOKEN_CHARACTERS_MAX or len(parts) != 3 or parts[0] != "gw":
        return None
    return parts[1] if parts[1].isalnum() else None  # A database takes not every character.


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()
