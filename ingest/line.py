"""The edges' websocket: one connection per edge, in front of the delivery protocol.

Thin: it checks who calls; what is said on a connection then is `ingest.conversation`'s. Everything
refused is refused with a sentence and counted.
"""

import asyncio
import socket
from contextlib import ExitStack, suppress
from http import HTTPStatus

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from historian.tokens import Scope, Token
from ingest import metrics
from ingest.conversation import (
    Carrier,
    CarrierClosedError,
    LineParts,
    StreamRefusedError,
    answer_edge,
)
from telemetry.frames import (
    FRAME_BYTES_MAX,
    refusal,
)
from telemetry.loopback import is_loopback

PATH_PREFIX = "/edge/v1/"
BACKLOG = 100  # Connections that wait to be taken.
PING_S = 10.0
CHECK_TOKENS_EVERY_S = 20.0
METRICS_REFUSED = (
    "Counters are for programs with a viewer's token for all sites (make one with 'groundwatch "
    "token'); with --open-metrics, for whoever asks from the centre's own machine.\n"
)
NO_LONGER_VALID = "the token has expired or was revoked: make a new one for this edge"

log = structlog.get_logger()


class CannotListenError(Exception):
    """The port is taken, or the address not ours; the message says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that edges connect to; they wait there until `open_line` serves it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as on_failure:
            opened = on_failure.enter_context(socket.socket(family, kind, protocol))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(BACKLOG)
            on_failure.pop_all()
    except OSError as error:
        raise CannotListenError(
            f"Ingest cannot listen for edges on {host}:{port}: {error.strerror}. "
            "Stop what uses the port, or choose another with --line-port."
        ) from error
    return opened


async def open_line(listening: socket.socket, parts: LineParts) -> Server:
    """Serve the edges that connect to a socket."""

    async def admit(connection: ServerConnection, request: Request) -> Response | None:
        return await _admit(parts, connection, request)

    async def answer(connection: ServerConnection) -> None:
        try:
            await answer_edge(parts, parts.callers[connection], connection)
        finally:
            parts.callers.pop(connection, None)

    server = await serve(
        answer,
        sock=listening,
        process_request=admit,
        max_size=FRAME_BYTES_MAX,
        max_queue=4,
        compression=None,  # Blocks are compressed already.
        ping_interval=PING_S,
        ping_timeout=PING_S,
    )
    parts.tasks.add(asyncio.create_task(_end_revoked_lines(parts, server), name="revoked tokens"))
    return server


async def _end_revoked_lines(parts: LineParts, server: Server) -> None:
    """End the lines of tokens that are revoked or expire while they are open."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_TOKENS_EVERY_S):
                await server.wait_closed()
                return
        callers = list(parts.callers.items())
        try:
            valid = await parts.still_valid(sorted({token.token_id for _, token in callers}))
        except StreamRefusedError:
            continue  # Without the database nobody can tell.
        gone = [(one, token) for one, token in callers if token.token_id not in valid]
        await asyncio.gather(*(_end_revoked(connection, token) for connection, token in gone))


async def _end_revoked(connection: Carrier, token: Token) -> None:
    metrics.LINES_REFUSED.labels("unauthorised").inc()
    log.warning("edge's token is no longer valid", site=token.site, edge=token.edge)
    with suppress(ConnectionClosed, CarrierClosedError, TimeoutError):
        async with asyncio.timeout(PING_S):  # It may not read any more.
            await connection.send(refusal("unauthorised", NO_LONGER_VALID))
    await connection.close(CloseCode.POLICY_VIOLATION)


async def _admit(
    parts: LineParts, connection: ServerConnection, request: Request
) -> Response | None:
    path = request.path.partition("?")[0]
    if path == "/healthz":
        return _plain(HTTPStatus.OK, "text/plain; charset=utf-8", b"ok\n")
    if path == "/metrics":
        if not await _may_read_metrics(parts, connection, _bearer(request.headers)):
            return connection.respond(HTTPStatus.FORBIDDEN, METRICS_REFUSED)
        return _plain(HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.page())
    site = path.removeprefix(PATH_PREFIX)
    if not path.startswith(PATH_PREFIX) or "/" in site:
        return connection.respond(HTTPStatus.NOT_FOUND, "Edges connect to /edge/v1/<site>.\n")
    return await _admit_edge(parts, connection, request, site)


async def _admit_edge(
    parts: LineParts, connection: ServerConnection, request: Request, site: str
) -> Response | None:
    try:
        token = await parts.verify(_bearer(request.headers))
    except StreamRefusedError as refused:
        metrics.LINES_REFUSED.labels(refused.code).inc()
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{refused.message}\n")
    if token is None:
        metrics.LINES_REFUSED.labels("unauthorised").inc()
        return connection.respond(
            HTTPStatus.UNAUTHORIZED,
            "The token is unknown, expired or revoked: make a new one for this edge.\n",
        )
    if token.scope is not Scope.EDGE or token.site != site or token.edge is None:
        metrics.LINES_REFUSED.labels("wrong_scope").inc()
        return connection.respond(
            HTTPStatus.FORBIDDEN, f"This token is not for an edge of site '{site}'.\n"
        )
    parts.callers[connection] = token
    return None


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


def _bearer(headers: Headers) -> str:
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _plain(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers([("Content-Type", kind), ("Content-Length", str(len(body)))])
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)
