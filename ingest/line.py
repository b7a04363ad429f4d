"""The edges' websocket: one connection per edge, in front of the delivery protocol.

Thin: it checks who calls, passes messages to `telemetry.uplink.CentreSide`, and hands what that
says to the inbox. Everything refused is refused with a sentence and counted.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from weakref import WeakKeyDictionary

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from historian.metrics_readers import MetricsReaders
from historian.tokens import Scope, Token
from ingest import metrics
from ingest.inbox import Arrival, Inbox, Line, Stream
from ingest.read_ahead import read_ahead
from telemetry.clock import Clock, real_monotonic_s
from telemetry.frames import (
    FRAME_BYTES_MAX,
    Hello,
    ProtocolError,
    RefusalCode,
    refusal,
)
from telemetry.loopback import is_loopback
from telemetry.uplink import CentreEvent, CentreSide, HelloReceived, LostDeclared, StreamEvent

PATH_PREFIX = "/edge/v1/"
BACKLOG = 100  # Connections that wait to be taken.
PING_S = 10.0
CHECK_TOKENS_EVERY_S = 20.0
METRICS_REFUSED = (
    "Counters are for programs with a viewer's token for all sites (make one with 'groundwatch "
    "token'); with --open-metrics, for whoever asks from the centre's own machine.\n"
)
# Blocks are taken in order, so the delivered ranges are at most one more than the lost ones.
LOST_RANGES_MAX = 10_000
TOO_MANY_LOSSES = (
    f"edge '{{edge}}' has lost blocks in more than {LOST_RANGES_MAX} places of this stream: "
    "see its disk, then move its spool aside, and it begins a new stream"
)
NO_LONGER_VALID = "the token has expired or was revoked: make a new one for this edge"

log = structlog.get_logger()


class CannotListenError(Exception):
    """The port is taken, or the address not ours; the message says what to do."""


class StreamRefusedError(Exception):
    """A stream that this centre does not take, or not now."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code: RefusalCode = code
        self.message = message


@dataclass(frozen=True, slots=True)
class LineParts:
    """What the edges' line needs of the rest of ingest."""

    inbox: Inbox
    clock: Clock
    # All raise StreamRefusedError.
    verify: Callable[[str], Awaitable[Token | None]]
    still_valid: Callable[[list[str]], Awaitable[set[str]]]
    open_stream: Callable[[Hello], Awaitable[Stream]]
    greet: Callable[[Stream, Hello], None]
    open_metrics: bool = False  # To whoever asks from this machine; else to tokens for all sites.
    metrics_readers: MetricsReaders = field(default_factory=MetricsReaders)
    # Weak, because a caller who hangs up between the check and the welcome is never answered.
    callers: WeakKeyDictionary[ServerConnection, Token] = field(default_factory=WeakKeyDictionary)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


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
            await _answer(parts, connection)
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


async def _end_revoked(connection: ServerConnection, token: Token) -> None:
    metrics.LINES_REFUSED.labels("unauthorised").inc()
    log.warning("edge's token is no longer valid", site=token.site, edge=token.edge)
    with suppress(ConnectionClosed, TimeoutError):
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


async def _answer(parts: LineParts, connection: ServerConnection) -> None:
    """Serve one connection until it ends, is refused, or is replaced by a newer one."""
    caller = parts.callers[connection]
    side = CentreSide()
    line = Line(side)
    stream: Stream | None = None
    sender = asyncio.create_task(_send(connection, line), name="acknowledge")
    metrics.LINES_OPEN.inc()
    try:
        async with read_ahead(connection) as messages:
            async for message in messages:
                # A hello takes no room, and the edge waits for the answer.
                if stream and not await _room_made(parts.inbox, stream.site, connection):
                    break  # What was not handed over is sent again.
                for event in side.received(_binary(message)):
                    if isinstance(event, HelloReceived):
                        stream = await _greet(parts, caller, side, line, event.hello)
                    elif stream is not None and stream.line is line:
                        # What still comes over a line that has been replaced is sent again anyway.
                        _hand_over(parts, stream, event)
    except ConnectionClosed:
        pass
    except ProtocolError as error:
        metrics.LINES_REFUSED.labels("protocol").inc()
        log.warning("edge broke the protocol", edge=caller.edge, error=str(error))
        line.tell(refusal("protocol", str(error)))
    except StreamRefusedError as refused:
        metrics.LINES_REFUSED.labels(refused.code).inc()
        log.warning("edge refused", edge=caller.edge, reason=refused.message)
        line.tell(refusal(refused.code, refused.message))
    finally:
        metrics.LINES_OPEN.dec()
        if stream is not None and stream.line is line:
            stream.line = None
            log.info("edge left", site=stream.site, edge=stream.edge)
        line.close()
        await sender


async def _room_made(inbox: Inbox, site: str, connection: ServerConnection) -> bool:
    """Wait until there is room in the inbox; False when the connection has ended before.

    Without a database there may never be room again, and whoever ends the server waits for us.
    """
    if inbox.has_room(site):
        return True
    made = asyncio.create_task(inbox.wait_for_room(site))
    ended = asyncio.create_task(connection.wait_closed())
    try:
        await asyncio.wait({made, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        made.cancel()
        ended.cancel()
    return inbox.has_room(site)


async def _greet(
    parts: LineParts, caller: Token, side: CentreSide, line: Line, hello: Hello
) -> Stream:
    if (hello.site, hello.edge) != (caller.site, caller.edge):
        raise StreamRefusedError(
            "wrong_site",
            f"the token is for edge '{caller.edge}' of site '{caller.site}', "
            f"not for '{hello.edge}' of '{hello.site}'",
        )
    stream = await parts.open_stream(hello)
    if stream.line is not None:
        stream.line.close()  # An edge that calls again has lost its old connection.
    stream.line = line
    parts.greet(stream, hello)
    frames, lost = side.welcome(stream.delivered, stream.pending)
    for frame in frames:
        line.tell(frame)
    for event in lost:
        _hand_over(parts, stream, event)
    log.info("edge came", site=stream.site, edge=stream.edge)
    return stream


def _hand_over(parts: LineParts, stream: Stream, event: CentreEvent | StreamEvent) -> None:
    assert not isinstance(event, HelloReceived)
    if isinstance(event, LostDeclared):
        stream.lost.add(event.first, event.last)
        if len(stream.lost) > LOST_RANGES_MAX:
            raise StreamRefusedError("protocol", TOO_MANY_LOSSES.format(edge=stream.edge))
        log.warning(
            "edge declared blocks lost",
            site=stream.site,
            edge=stream.edge,
            first=event.first,
            last=event.last,
            reason=event.reason,
        )
    parts.inbox.put(
        Arrival(
            stream=stream,
            event=event,
            received_us=parts.clock.now_us(),
            heard_s=real_monotonic_s(),
        )
    )


def _binary(message: str | bytes) -> bytes:
    if isinstance(message, str):
        raise ProtocolError("a text message came; frames are binary")
    return message


async def _send(connection: ServerConnection, line: Line) -> None:
    """Send what the line is told, in order, until it is closed."""
    try:
        while (frame := await line.frames.get()) is not None:
            await connection.send(frame)
        await connection.close()
    except ConnectionClosed:
        return
