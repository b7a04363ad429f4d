"""Who may come over the edges' port: paths, tokens and certificates, at the door and while inside.

A token says which edge calls, and is enough. Where a client certificate is shown as well, it must
name the same edge, and a revoked one lets nobody in.
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus

import structlog
from websockets.asyncio.server import Server, ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from historian.tokens import Scope, Token
from ingest import metrics
from ingest.conversation import (
    Caller,
    Carrier,
    CarrierClosedError,
    LineParts,
    StreamRefusedError,
)
from telemetry.certificates import Certificate, CertificateError, read_der
from telemetry.enrolment import ENROL_PATH
from telemetry.frames import refusal
from telemetry.loopback import is_loopback

PATH_PREFIX = "/edge/v1/"
CHECK_CALLERS_EVERY_S = 20.0
TELL_WITHIN_S = 10.0
METRICS_REFUSED = (
    "Counters are for programs with a viewer's token for all sites (make one with 'groundwatch "
    "token'); with --open-metrics, for whoever asks from the centre's own machine.\n"
)
NO_LONGER_VALID = (
    "the token or the certificate has expired or was revoked: enrol this edge again, "
    "or make a new token for it"
)

log = structlog.get_logger()


async def admit(
    parts: LineParts, connection: ServerConnection, request: Request
) -> Response | None:
    """Let a caller in (None), or answer why not."""
    path = request.path.partition("?")[0]
    if path == "/healthz":
        return _plain(HTTPStatus.OK, "text/plain; charset=utf-8", b"ok\n")
    if path == "/metrics":
        return await _metrics(parts, connection, _bearer(request.headers))
    if path == ENROL_PATH and parts.enrol is not None:
        return None
    site = path.removeprefix(PATH_PREFIX)
    if not path.startswith(PATH_PREFIX) or "/" in site:
        return connection.respond(HTTPStatus.NOT_FOUND, "Edges connect to /edge/v1/<site>.\n")
    try:
        parts.callers[connection] = await _caller(parts, connection, request, site)
    except NotAdmittedError as refused:
        metrics.LINES_REFUSED.labels(refused.reason).inc()
        return connection.respond(refused.status, f"{refused}\n")
    return None


async def _metrics(parts: LineParts, connection: ServerConnection, sent: str) -> Response:
    if not await _may_read_metrics(parts, connection, sent):
        return connection.respond(HTTPStatus.FORBIDDEN, METRICS_REFUSED)
    return _plain(HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.page())


async def _may_read_metrics(parts: LineParts, connection: ServerConnection, sent: str) -> bool:
    caller = connection.remote_address  # None when it has hung up already.
    if parts.open_metrics and caller and is_loopback(caller[0]):
        return True
    if not sent:
        return False
    try:
        return parts.metrics_readers.admit(sent, await parts.verify(sent))
    except StreamRefusedError:  # The database is away.
        return parts.metrics_readers.knows(sent)


class NotAdmittedError(Exception):
    """Somebody is not let in; the message is what he is told."""

    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


async def _caller(
    parts: LineParts, connection: ServerConnection, request: Request, site: str
) -> Caller:
    shown = shown_certificate(connection)
    try:
        token = await parts.verify(_bearer(request.headers))
    except StreamRefusedError as refused:
        raise NotAdmittedError(
            HTTPStatus.SERVICE_UNAVAILABLE, refused.code, refused.message
        ) from refused
    if token is None:
        raise NotAdmittedError(
            HTTPStatus.UNAUTHORIZED,
            "unauthorised",
            "The token is unknown, expired or revoked: make a new one for this edge.",
        )
    if token.scope is not Scope.EDGE or token.site != site or token.edge is None:
        raise NotAdmittedError(
            HTTPStatus.FORBIDDEN,
            "wrong_scope",
            f"This token is not for an edge of site '{site}'.",
        )
    if shown is not None and shown.edge != (site, token.edge):
        raise NotAdmittedError(HTTPStatus.FORBIDDEN, "wrong_certificate", _about(shown, token))
    address = connection.remote_address
    caller = Caller(
        token_id=token.token_id,
        site=site,
        edge=token.edge,
        certificate=shown,
        address=str(address[0]) if address else "",
    )
    if shown is not None:
        await _refuse_revoked(parts, caller)
    return caller


async def _refuse_revoked(parts: LineParts, caller: Caller) -> None:
    """Look a certificate up, too: TLS knows who signed it, and not that it was revoked."""
    try:
        valid = await parts.still_valid([caller])
    except StreamRefusedError as refused:
        raise NotAdmittedError(
            HTTPStatus.SERVICE_UNAVAILABLE, refused.code, refused.message
        ) from refused
    if caller not in valid:
        raise NotAdmittedError(
            HTTPStatus.FORBIDDEN,
            "revoked_certificate",
            "The certificate is revoked: enrol this edge again.",
        )


def shown_certificate(connection: ServerConnection) -> Certificate | None:
    """Read the certificate that a caller has shown; who signed it has been verified already."""
    secured = connection.transport.get_extra_info("ssl_object")
    der = None if secured is None else secured.getpeercert(binary_form=True)
    if der is None:
        return None
    try:
        return read_der(der)
    except CertificateError as error:
        raise NotAdmittedError(
            HTTPStatus.FORBIDDEN, "wrong_certificate", f"The certificate is not taken: {error}."
        ) from error


def _about(shown: Certificate, token: Token) -> str:
    named = "/".join(shown.edge) if shown.edge else f"no edge ({shown.subject})"
    return (
        f"The token is for edge {token.site}/{token.edge}, but the certificate names {named}: "
        "each edge has its own of both, enrol this one again."
    )


async def end_lines_no_longer_valid(parts: LineParts, server: Server) -> None:
    """End the lines of tokens and certificates that are revoked or expire while they are open."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_CALLERS_EVERY_S):
                await server.wait_closed()
                return
        callers = list(parts.callers.items())
        try:
            valid = await parts.still_valid([caller for _, caller in callers])
        except StreamRefusedError:
            continue  # Without the database nobody can tell.
        await parts.note_heard(list(valid))
        gone = [(one, caller) for one, caller in callers if caller not in valid]
        await asyncio.gather(*(_end(connection, caller) for connection, caller in gone))


async def _end(connection: Carrier, caller: Caller) -> None:
    metrics.LINES_REFUSED.labels("unauthorised").inc()
    log.warning("edge is no longer let in", site=caller.site, edge=caller.edge)
    with suppress(ConnectionClosed, CarrierClosedError, TimeoutError):
        async with asyncio.timeout(TELL_WITHIN_S):  # It may not read any more.
            await connection.send(refusal("unauthorised", NO_LONGER_VALID))
    await connection.close(CloseCode.POLICY_VIOLATION)


def _bearer(headers: Headers) -> str:
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _plain(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers([("Content-Type", kind), ("Content-Length", str(len(body)))])
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)
