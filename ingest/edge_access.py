"""Letting an edge in, and out: codes for its enrolment, and revocation; for the command line."""

import asyncio
import getpass
from dataclasses import dataclass
from pathlib import Path

from psycopg import AsyncConnection

from historian.connection import connect
from historian.enrolments import create_code
from historian.identities import newest_authority, revoke
from historian.registry import newest_configurations
from historian.tokens import token_id_of
from telemetry.certificates import CertificateError, edge_named, read_pem
from telemetry.enrolment import Code
from telemetry.plan import plan_of
from telemetry.site_file import SiteFileError, read_site_text
from telemetry.tls import TlsFilesError, read_certificates

LIFETIME_MAX_S = 7 * 86_400.0


class AccessError(Exception):
    """What was asked for can't be done; the message says why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """For whom a code is, and how long it lasts."""

    edge: str  # SITE/EDGE
    lifetime_s: float
    keeps: bool
    authority: Path | None  # Whose fingerprint the code carries; None: the centre's own.


def make_edge_code(dsn: str, request: CodeRequest) -> Code:
    """Make a code for the enrolment of an edge that the site file knows."""
    named = edge_named(request.edge)
    if named is None:
        raise AccessError(f"An edge is written SITE/EDGE, like mine/dam-box; not '{request.edge}'.")
    if request.lifetime_s > LIFETIME_MAX_S:
        raise AccessError("A code lasts seven days at most: it is a key that lies about.")
    return asyncio.run(_make_code(dsn, request, named))


def revoke_access(dsn: str, what: str) -> list[str]:
    """End a token, given by its id, or everything that an edge has; say in lines what was ended."""
    return asyncio.run(_revoke(dsn, what))


async def _make_code(dsn: str, request: CodeRequest, named: tuple[str, str]) -> Code:
    site, edge = named
    async with await connect(dsn, name="edge code", autocommit=True) as conn:
        await _check_edge(conn, site, edge)
        fingerprint = await _fingerprint(conn, request.authority)
        code_id, secret = await create_code(
            conn,
            site,
            edge,
            keeps=request.keeps,
            lifetime_s=request.lifetime_s,
            made_by=user_here(),
        )
    return Code(code_id, secret, fingerprint)


async def _check_edge(conn: AsyncConnection, site: str, edge: str) -> None:
    for _, key, version, document in await newest_configurations(conn):
        if key != site:
            continue
        try:
            plan = plan_of(read_site_text(document, f"{key}, version {version}"))
        except SiteFileError:  # Written by a newer Groundwatch; the centre looks again.
            return
        if edge not in plan.structures_by_edge:
            known = sorted({bus.edge for bus in plan.site.buses})
            raise AccessError(f"Site '{site}' has no edge '{edge}', but {', '.join(known)}.")
        return
    raise AccessError(
        f"The centre knows no site '{site}'; start `groundwatch serve` with its file first."
    )


async def _fingerprint(conn: AsyncConnection, authority: Path | None) -> str | None:
    try:
        if authority is not None:
            return read_certificates(authority)[0].sha256
        pem = await newest_authority(conn)
        return None if pem is None else read_pem(pem.encode())[0].sha256
    except (TlsFilesError, CertificateError) as error:
        raise AccessError(f"The authority can't be read: {error}") from error


async def _revoke(dsn: str, what: str) -> list[str]:
    edge = edge_named(what)
    token_id = None if edge else token_id_of(what) or what.removeprefix("gw_")
    async with (
        await connect(dsn, name="revoke", autocommit=True) as conn,
        conn.transaction(),
    ):
        ended = await revoke(conn, who=user_here(), token_id=token_id, edge=edge)
    if not ended:
        raise AccessError(f"There is nothing to revoke: '{what}' has no token that is still valid.")
    return [
        *(f"token {one} is revoked" for one in ended.tokens),
        *(f"certificate {one} is revoked" for one in ended.certificates),
    ]


def user_here() -> str:
    """Name the user at the centre's machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # A user id without a name.
        return "unknown user"
