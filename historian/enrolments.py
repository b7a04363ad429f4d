"""One-time codes by which edges are enrolled: only hashes are stored, and each works once.

The row of a code is locked while it is used, so of many who come with one code at the same
moment exactly one succeeds.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from historian.identities import record

ID_BYTES = 8
SECRET_BYTES = 20

CREATE = """
    insert into enrolment_code (code_id, sha256, site, edge, keeps, expires_at)
    values (%s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s::double precision))
"""
FIND = """
    select sha256, site, edge, keeps, used_at is not null, expires_at <= clock_timestamp()
    from enrolment_code where code_id = %s for update
"""
USE = "update enrolment_code set used_at = clock_timestamp() where code_id = %s and used_at is null"
# Kept for a day, so that whoever comes too late is told so.
FORGET = """
    delete from enrolment_code where expires_at < clock_timestamp() - interval '1 day'
"""
NOBODY = bytes(32)


class CodeSpentError(Exception):
    """A code that was right once; the message says since when it is not."""


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """What a code is good for."""

    code_id: str
    site: str
    edge: str
    keeps: bool  # The edge's older tokens stay valid.


async def create_code(
    conn: AsyncConnection[Any],
    site: str,
    edge: str,
    *,
    keeps: bool,
    lifetime_s: float,
    made_by: str,
) -> tuple[str, str]:
    """Make a code; return its id and its secret, which can be seen this once."""
    code_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    async with conn.transaction():
        await conn.execute(CREATE, (code_id, _sha256(secret), site, edge, keeps, lifetime_s))
        await record(conn, "code_made", site, edge, None, made_by, f"code {code_id}")
    return code_id, secret


async def find_code(conn: AsyncConnection[Any], code_id: str, secret: str) -> EnrolmentCode | None:
    """Look a code up, and lock it until the transaction ends; None when it is wrong.

    Raises CodeSpentError when it was used already, or is too old; only who has it is told.
    """
    row = await (await conn.execute(FIND, (code_id,))).fetchone()
    # Compared also where there is nothing, so that nobody learns from the time it takes.
    same = hmac.compare_digest(NOBODY if row is None else bytes(row[0]), _sha256(secret))
    if row is None or not same:
        return None
    if row[4]:
        raise CodeSpentError("this code has been used already, or the edge was revoked")
    if row[5]:
        raise CodeSpentError("this code is too old")
    return EnrolmentCode(code_id, row[1], row[2], row[3])


async def use_code(conn: AsyncConnection[Any], code_id: str) -> bool:
    """Use a code up; tell whether it could be."""
    return (await conn.execute(USE, (code_id,))).rowcount == 1


async def forget_codes(conn: AsyncConnection[Any]) -> int:
    """Forget codes that nobody can use any more. Return how many."""
    return (await conn.execute(FORGET)).rowcount


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()
