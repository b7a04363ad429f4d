"""Who edges are, as the store knows it: certificates, open lines, and the end of both.

Revoking is one statement for a token and one for an edge; whoever holds a line open looks every
few seconds which of its callers are still valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from telemetry.clock import instant_at, instant_us

# A certificate that nobody here has signed or seen yet is not revoked.
REVOKED_CERTIFICATES = """
    select issuer, serial from edge_certificate
    where revoked_at is not null and (issuer, serial) in
        (select unnest(%s::text[]), unnest(%s::text[]))
"""
SEE_CERTIFICATE = """
    insert into edge_certificate (issuer, serial, site, edge, ends_at, seen_at)
    values (%s, %s, %s, %s, %s, clock_timestamp())
    on conflict (issuer, serial) do update set seen_at = clock_timestamp()
"""
ISSUE_CERTIFICATE = """
    insert into edge_certificate (issuer, serial, site, edge, token_id, ends_at, issued_at)
    values (%s, %s, %s, %s, %s, %s, clock_timestamp())
"""
OPEN_LINE = """
    insert into edge_line (site, edge, line_id, token_id, serial, address)
    values (%s, %s, %s, %s, %s, %s)
    on conflict (site, edge) do update set
        line_id = excluded.line_id, token_id = excluded.token_id, serial = excluded.serial,
        address = excluded.address, connected_at = excluded.connected_at,
        heard_at = excluded.heard_at, left_at = null
"""
HEAR_LINES = "update edge_line set heard_at = clock_timestamp() where line_id = any(%s)"
CLOSE_LINE = "update edge_line set left_at = clock_timestamp() where line_id = %s"
REVOKE_TOKENS = """
    update token set revoked_at = clock_timestamp()
    where revoked_at is null and (token_id = %(token_id)s
        or (scope = 'edge' and site = %(site)s and edge = %(edge)s))
        and token_id is distinct from %(except)s
    returning token_id, site, edge
"""
REVOKE_CERTIFICATES = """
    update edge_certificate set revoked_at = clock_timestamp()
    where revoked_at is null
      and (token_id = any(%(tokens)s) or (site = %(site)s and edge = %(edge)s))
      and token_id is distinct from %(except)s
    returning serial
"""
VOID_CODES = """
    update enrolment_code set used_at = clock_timestamp()
    where site = %s and edge = %s and used_at is null
"""
RECORD = """
    insert into identity_record (what, site, edge, token_id, who, detail)
    values (%s, %s, %s, %s, %s, %s)
"""
# The newest certificate of an edge is the one that counts: shown last, or signed last.
EDGE_CERTIFICATES = """
    select distinct on (site, edge) site, edge, serial, ends_at from edge_certificate
    where revoked_at is null
    order by site, edge, greatest(issued_at, seen_at) desc nulls last
"""
SEE_SERVER = """
    insert into server_certificate (role, place, subject, serial, ends_at, pem)
    values (%s, %s, %s, %s, %s, %s)
    on conflict (role, place) do update set
        subject = excluded.subject, serial = excluded.serial, ends_at = excluded.ends_at,
        pem = excluded.pem, seen_at = clock_timestamp()
"""
FORGET_SERVER = "delete from server_certificate where role = %s and place = %s"
SERVER_CERTIFICATES = """
    select role, place, serial, ends_at from server_certificate
    where seen_at > clock_timestamp() - interval '1 day'
    order by role, place
"""
NEWEST_AUTHORITY = """
    select pem from server_certificate where role = 'authority' and pem is not null
    order by seen_at desc limit 1
"""


@dataclass(frozen=True, slots=True)
class EdgeCertificate:
    """The certificate that an edge goes by."""

    site: str
    edge: str
    serial: str
    ends_us: int


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate that the centre itself goes by."""

    role: str  # line, page or authority
    place: str
    serial: str
    ends_us: int


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation has ended."""

    tokens: tuple[str, ...]
    certificates: tuple[str, ...]  # Serial numbers.

    def __bool__(self) -> bool:
        return bool(self.tokens or self.certificates)


async def revoked_certificates(
    conn: AsyncConnection[Any], shown: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Tell which of these certificates, as (issuer, serial), are revoked."""
    if not shown:
        return set()
    issuers, serials = [one[0] for one in shown], [one[1] for one in shown]
    cursor = await conn.execute(REVOKED_CERTIFICATES, (issuers, serials))
    return {(issuer, serial) for issuer, serial in await cursor.fetchall()}


async def see_certificate(
    conn: AsyncConnection[Any], *, issuer: str, serial: str, site: str, edge: str, ends_us: int
) -> None:
    """Note that an edge has shown a certificate."""
    await conn.execute(SEE_CERTIFICATE, (issuer, serial, site, edge, instant_at(ends_us)))


async def issue_certificate(
    conn: AsyncConnection[Any],
    *,
    issuer: str,
    serial: str,
    site: str,
    edge: str,
    token_id: str,
    ends_us: int,
) -> None:
    """Note that a certificate was signed for an edge."""
    await conn.execute(
        ISSUE_CERTIFICATE, (issuer, serial, site, edge, token_id, instant_at(ends_us))
    )


async def open_line(
    conn: AsyncConnection[Any],
    site: str,
    edge: str,
    *,
    line_id: UUID,
    token_id: str,
    serial: str | None,
    address: str,
) -> None:
    """Note that an edge's line is open."""
    await conn.execute(OPEN_LINE, (site, edge, line_id, token_id, serial, address))


async def hear_lines(conn: AsyncConnection[Any], line_ids: Sequence[UUID]) -> None:
    """Note that lines are still open."""
    if line_ids:
        await conn.execute(HEAR_LINES, (list(line_ids),))


async def close_line(conn: AsyncConnection[Any], line_id: UUID) -> None:
    """Note that a line has ended; a newer one of the same edge is not touched."""
    await conn.execute(CLOSE_LINE, (line_id,))


async def revoke(
    conn: AsyncConnection[Any],
    *,
    who: str,
    token_id: str | None = None,
    edge: tuple[str, str] | None = None,
    spared: str | None = None,
) -> Revoked:
    """End a token, or all that an edge has, with their certificates; codes of the edge as well.

    Call it in a transaction. `spared` is a token of the edge that stays, with its certificate.
    """
    site, name = edge or (None, None)
    if edge is not None and spared is None:
        # First: whoever is just using a code is waited for, so that his token is found below.
        await conn.execute(VOID_CODES, edge)
    about = {"token_id": token_id, "site": site, "edge": name, "except": spared}
    cursor = await conn.execute(REVOKE_TOKENS, about)
    tokens = await cursor.fetchall()
    about |= {"tokens": [row[0] for row in tokens]}  # type: ignore[dict-item]
    serials = [row[0] for row in await (await conn.execute(REVOKE_CERTIFICATES, about)).fetchall()]
    for ended, of_site, of_edge in tokens:
        await record(conn, "revoked", of_site, of_edge, ended, who)
    for serial in serials:
        await record(conn, "revoked", site, name, None, who, f"certificate {serial}")
    return Revoked(tuple(row[0] for row in tokens), tuple(serials))


async def record(
    conn: AsyncConnection[Any],
    what: str,
    site: str | None,
    edge: str | None,
    token_id: str | None,
    who: str,
    detail: str = "",
) -> None:
    """Add to the record of what was done about who may come in."""
    await conn.execute(RECORD, (what, site, edge, token_id, who, detail))


async def edge_certificates(conn: AsyncConnection[Any]) -> list[EdgeCertificate]:
    """Return the certificate that each edge goes by."""
    rows = await (await conn.execute(EDGE_CERTIFICATES)).fetchall()
    return [EdgeCertificate(row[0], row[1], row[2], instant_us(row[3])) for row in rows]


async def see_server(
    conn: AsyncConnection[Any],
    *,
    role: str,
    place: str,
    subject: str,
    serial: str,
    ends_us: int,
    pem: str | None = None,
) -> None:
    """Note by which certificate the centre goes at a place."""
    await conn.execute(SEE_SERVER, (role, place, subject, serial, instant_at(ends_us), pem))


async def forget_server(conn: AsyncConnection[Any], role: str, place: str) -> None:
    """Note that a place goes by no certificate any more."""
    await conn.execute(FORGET_SERVER, (role, place))


async def server_certificates(conn: AsyncConnection[Any]) -> list[ServerCertificate]:
    """Return the certificates that the centre goes by."""
    rows = await (await conn.execute(SERVER_CERTIFICATES)).fetchall()
    return [ServerCertificate(row[0], row[1], row[2], instant_us(row[3])) for row in rows]


async def newest_authority(conn: AsyncConnection[Any]) -> str | None:
    """Return the certificate of the centre's own authority, if it has one."""
    row = await (await conn.execute(NEWEST_AUTHORITY)).fetchone()
    return None if row is None else row[0]
