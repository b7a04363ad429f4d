"""What is said with an edge over one connection, whatever carries it: the centre's side.

Frames go to `telemetry.uplink.CentreSide`, and what that says goes to the inbox.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from historian.metrics_readers import MetricsReaders
from historian.tokens import Token
from ingest import metrics
from ingest.identity_watch import IdentityWatch
from ingest.inbox import Arrival, Inbox, Line, Stream
from ingest.read_ahead import read_ahead
from telemetry.certificates import Certificate
from telemetry.clock import Clock, real_monotonic_s
from telemetry.failpoints import passing
from telemetry.frames import Answer, Hello, ProtocolError, RefusalCode, refusal
from telemetry.uplink import (
    CentreEvent,
    CentreSide,
    HelloReceived,
    LostDeclared,
    StreamEvent,
)

# Blocks are taken in order, so the delivered ranges are at most one more than the lost ones.
LOST_RANGES_MAX = 10_000
TOO_MANY_LOSSES = (
    f"edge '{{edge}}' has lost blocks in more than {LOST_RANGES_MAX} places of this stream: "
    "see its disk, then move its spool aside, and it begins a new stream"
)

TWO_BOXES = (
    "another box calls as the edge '{edge}' and did so earlier; what this one has taken waits in "
    "its spool. Give it an identity of its own: a token, or an enrolment, and an edge of the file"
)

log = structlog.get_logger()


class StreamRefusedError(Exception):
    """A stream that this centre does not take, or not now."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code: RefusalCode = code
        self.message = message


class CarrierClosedError(Exception):
    """The connection has ended."""


class Carrier(Protocol):
    """What carries the frames of one connection: a websocket, or a session over a broker."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Take what comes, until the connection ends."""

    async def send(self, message: bytes) -> None:
        """Send a frame."""

    async def close(self, code: int = ..., reason: str = ...) -> None:
        """Hang up."""

    async def wait_closed(self) -> None:
        """Wait until the connection has ended."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An edge that has been let in, and what it has proved itself with."""

    token_id: str
    site: str
    edge: str
    certificate: Certificate | None  # What it has shown beside its token.
    address: str
    line_id: UUID = field(default_factory=uuid4)


@dataclass(slots=True)
class LineParts:
    """What the edges' line needs of the rest of ingest."""

    inbox: Inbox
    clock: Clock
    # All raise StreamRefusedError.
    verify: Callable[[str], Awaitable[Token | None]]
    still_valid: Callable[[Sequence[Caller]], Awaitable[set[Caller]]]
    open_stream: Callable[[Hello], Awaitable[Stream]]
    greet: Callable[[Stream, Hello], None]
    # The token with this id, and the hash of the whole, unless it is expired or revoked.
    find: Callable[[str], Awaitable[tuple[Token, bytes] | None]]
    # Neither raises anything.
    note_line: Callable[[Caller, Carrier], Coroutine[Any, Any, None]]
    note_heard: Callable[[Sequence[Caller]], Awaitable[None]]
    enrol: Callable[[ServerConnection], Awaitable[None]] | None = None
    tell_of_rival: Callable[[Hello, str], None] = lambda _hello, _address: None
    # Lines on which an edge takes commands, and who hears what became of one.
    commanded: dict[tuple[str, str], Line] = field(default_factory=dict)
    answered: Callable[[str, str, Answer], None] = lambda _site, _edge, _answer: None
    identities: IdentityWatch = field(default_factory=IdentityWatch)
    lines_of_edges: dict[tuple[str, str], Line] = field(default_factory=dict)
    open_metrics: bool = False  # To whoever asks from this machine; else to tokens for all sites.
    metrics_readers: MetricsReaders = field(default_factory=MetricsReaders)
    # Weak, because a caller who hangs up between the check and the welcome is never answered.
    callers: WeakKeyDictionary[Carrier, Caller] = field(default_factory=WeakKeyDictionary)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the lines."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def answer_edge(parts: LineParts, caller: Caller, connection: Carrier) -> None:
    """Serve one connection until it ends, is refused, or is replaced by a newer one."""
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
                        line.is_direct = isinstance(connection, ServerConnection)
                        stream = await _greet(parts, caller, side, line, event.hello)
                        parts.begin(parts.note_line(caller, connection))
                    elif isinstance(event, Answer):
                        parts.answered(caller.site, caller.edge, event)
                    elif stream is not None and stream.line is line:
                        # What still comes over a line that has been replaced is sent again anyway.
                        _hand_over(parts, stream, event)
    except (ConnectionClosed, CarrierClosedError):
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
            _left(parts, stream, line)
        line.close()
        await sender


def _left(parts: LineParts, stream: Stream, line: Line) -> None:
    stream.line = None
    if parts.commanded.get((stream.site, stream.edge)) is line:
        del parts.commanded[stream.site, stream.edge]
    log.info("edge left", site=stream.site, edge=stream.edge)


async def _room_made(inbox: Inbox, site: str, connection: Carrier) -> bool:
    """Wait until there is room in the inbox; False when the connection has ended before.

    Without a database there may never be room again, and whoever ends the server waits for us.
    """
    if inbox.has_room(site):
        return True
    ended = asyncio.create_task(connection.wait_closed())
    try:
        # Room is made for all lines at once: another may have taken it before our turn.
        while not inbox.has_room(site) and not ended.done():
            made = asyncio.create_task(inbox.wait_for_room(site))
            try:
                await asyncio.wait({made, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                made.cancel()
    finally:
        ended.cancel()
    return inbox.has_room(site)


async def _greet(
    parts: LineParts, caller: Caller, side: CentreSide, line: Line, hello: Hello
) -> Stream:
    if (hello.site, hello.edge) != (caller.site, caller.edge):
        raise StreamRefusedError(
            "wrong_site",
            f"the token is for edge '{caller.edge}' of site '{caller.site}', "
            f"not for '{hello.edge}' of '{hello.site}'",
        )
    stream = await parts.open_stream(hello)
    if line.is_direct:  # A broker repeats what it carries: who comes back there proves nothing.
        _check_identity(parts, caller, hello)
    if stream.line is not None:
        stream.line.close()  # An edge that calls again has lost its old connection.
    stream.line = line
    _replace_line(parts, hello, line)
    parts.greet(stream, hello)
    frames, lost = side.welcome(stream.delivered, stream.pending)
    for frame in frames:
        line.tell(frame)
    for event in lost:
        _hand_over(parts, stream, event)
    log.info("edge came", site=stream.site, edge=stream.edge)
    return stream


def _check_identity(parts: LineParts, caller: Caller, hello: Hello) -> None:
    """Turn the second of two boxes away that call as one edge, and have somebody told."""
    verdict = parts.identities.called(hello.site, hello.edge, hello.run, real_monotonic_s())
    if verdict.rival is not None:
        log.error(
            "two boxes call as one edge",
            site=hello.site,
            edge=hello.edge,
            turned_away=str(verdict.rival),
            address=caller.address,
        )
        parts.tell_of_rival(hello, caller.address)
    if not verdict.is_taken:
        raise StreamRefusedError("owned_elsewhere", TWO_BOXES.format(edge=hello.edge))


def _replace_line(parts: LineParts, hello: Hello, line: Line) -> None:
    """Hang up what this edge had open before, in another stream as well: one box has one line."""
    if hello.run is None:
        return
    before = parts.lines_of_edges.get((hello.site, hello.edge))
    if before is not None and before is not line:
        before.close()
    parts.lines_of_edges[hello.site, hello.edge] = line
    if hello.takes_commands:
        parts.commanded[hello.site, hello.edge] = line


def _hand_over(parts: LineParts, stream: Stream, event: CentreEvent | StreamEvent) -> None:
    assert not isinstance(event, HelloReceived | Answer)
    passing("ingest_received")
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


async def _send(connection: Carrier, line: Line) -> None:
    """Send what the line is told, in order, until it is closed."""
    try:
        while (frame := await line.frames.get()) is not None:
            await connection.send(frame)
        await connection.close()
    except (ConnectionClosed, CarrierClosedError):
        return
