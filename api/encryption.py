"""How the page's line is secured: its certificate, and its replacement while the API runs.

What the certificate is, is written into the store as well: ingest raises an alarm before it ends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from api.errors import DATABASE_ERRORS
from api.parts import Parts
from api.settings import ApiSettings
from historian.identities import see_server
from telemetry.clock import MachineClock, real_monotonic_s
from telemetry.tls import Credentials, ServerIdentity, SSLContext, TlsFilesError
from telemetry.tls_errors import Trouble

LOOK_EVERY_S = 10.0
NOTE_AGAIN_S = 3600.0  # What was not noted for a day is no page any more.
ROLE = "page"

log = structlog.get_logger(__name__)


def place_of(settings: ApiSettings) -> str:
    """Name where the certificate is served."""
    return f"{settings.host}:{settings.port}"


@asynccontextmanager
async def secured(credentials: Credentials, parts: Parts, place: str) -> AsyncIterator[SSLContext]:
    """Secure the API's lines, and take a replaced certificate over, as long as the block runs.

    Raises TlsFilesError when the files can't be used.
    """

    def count(trouble: Trouble) -> None:
        parts.metrics.refused(f"tls_{trouble.reason}")

    identity = ServerIdentity(credentials, on_trouble=count)
    if identity.certificate.is_over(MachineClock().now_us()):
        log.error("the page's certificate has expired: browsers will not believe it")
    watching = asyncio.create_task(_watch(identity, parts, place), name="certificate")
    try:
        yield identity.context
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(identity: ServerIdentity, parts: Parts, place: str) -> None:
    is_noted = False
    noted_s = float("-inf")
    while True:
        try:
            if identity.look():
                log.info("certificate replaced", serial=identity.certificate.serial)
                is_noted = False
        except TlsFilesError as error:
            log.error("new certificate refused, the old one is used on", reason=str(error))  # noqa: TRY400
        if not is_noted or real_monotonic_s() - noted_s >= NOTE_AGAIN_S:
            is_noted = await _note(identity, parts, place)
            noted_s = real_monotonic_s()
        await asyncio.sleep(LOOK_EVERY_S)


async def _note(identity: ServerIdentity, parts: Parts, place: str) -> bool:
    """Write down what the page goes by; False when the database is away."""
    certificate = identity.certificate
    try:
        async with parts.pool.connection() as conn:
            await see_server(
                conn,
                role=ROLE,
                place=place,
                subject=certificate.subject,
                serial=certificate.serial,
                ends_us=certificate.ends_us,
            )
    except DATABASE_ERRORS:
        return False
    return True
