"""Writes down which certificates a centre's line goes by, so that all may see when they end."""

import asyncio

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from historian.identities import forget_server, see_server
from ingest.authority_folder import CERTIFICATE
from ingest.encryption import Encryption
from telemetry.certificates import Certificate
from telemetry.tls import ServerIdentity, TlsFilesError, read_certificates

AGAIN_S = 5.0

log = structlog.get_logger()


async def note_own_certificates(
    pool: AsyncConnectionPool, encryption: Encryption, identity: ServerIdentity | None, place: str
) -> None:
    """Write down what a line goes by; a database that is away is waited for."""
    while True:
        try:
            async with pool.connection() as conn, conn.transaction():
                await _note(conn, encryption, identity, place)
        except psycopg.OperationalError:
            await asyncio.sleep(AGAIN_S)
        else:
            return


async def _note(
    conn: AsyncConnection, encryption: Encryption, identity: ServerIdentity | None, place: str
) -> None:
    for role in ("line", "authority"):
        await forget_server(conn, role, place)
    if identity is None:
        return
    await _see(conn, "line", place, identity.certificate)
    if encryption.authority_folder is None:
        return
    path = encryption.authority_folder / CERTIFICATE
    try:
        authority, pem = read_certificates(path)[0], path.read_text(encoding="ascii")
    except (TlsFilesError, OSError, UnicodeDecodeError) as error:
        log.error("the authority can't be read", reason=str(error))  # noqa: TRY400
        return
    # A line that somebody else has signed for is not believed by this authority's fingerprint.
    is_ours = identity.certificate.issuer == authority.subject
    await _see(conn, "authority", place, authority, pem if is_ours else None)


async def _see(
    conn: AsyncConnection, role: str, place: str, certificate: Certificate, pem: str | None = None
) -> None:
    await see_server(
        conn,
        role=role,
        place=place,
        subject=certificate.subject,
        serial=certificate.serial,
        ends_us=certificate.ends_us,
        pem=pem,
    )
