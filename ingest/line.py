"""The edges' websocket: one connection per edge, in front of the delivery protocol.

Thin: `ingest.admission` asks who calls; what is said on a connection then is
`ingest.conversation`'s. Everything refused is refused with a sentence and counted.
"""

import socket
from contextlib import ExitStack

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from ingest.admission import admit, end_lines_no_longer_valid
from ingest.conversation import LineParts, answer_edge
from telemetry.frames import FRAME_BYTES_MAX
from telemetry.tls import SSLContext

BACKLOG = 100  # Connections that wait to be taken.
PING_S = 10.0


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


async def open_line(
    listening: socket.socket, parts: LineParts, secured: SSLContext | None = None
) -> Server:
    """Serve the edges that connect to a socket."""

    async def ask(connection: ServerConnection, request: Request) -> Response | None:
        return await admit(parts, connection, request)

    async def answer(connection: ServerConnection) -> None:
        try:
            if connection in parts.callers:
                await answer_edge(parts, parts.callers[connection], connection)
            elif parts.enrol is not None:
                await parts.enrol(connection)
        finally:
            parts.callers.pop(connection, None)

    server = await serve(
        answer,
        sock=listening,
        ssl=secured,
        process_request=ask,
        max_size=FRAME_BYTES_MAX,
        max_queue=4,
        compression=None,  # Blocks are compressed already.
        ping_interval=PING_S,
        ping_timeout=PING_S,
    )
    parts.begin(end_lines_no_longer_valid(parts, server))
    return server
