"""The API as a service of its own: a socket, a server, and an end when asked."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from api.application import create_application
from api.encryption import place_of, secured
from api.live_client import FIRST_WORD_TIMEOUT_S
from api.settings import ApiSettings
from telemetry.lifetime import CANNOT_START, is_supervised, until_asked_to_stop
from telemetry.tls import TlsFilesError

FRAME_BYTES_MAX = 64 * 1024  # Clients only subscribe; the longest list of channels fits.
PING_S = 4.5  # A frozen client is cut after twice this at most, however little it is sent.
DRAIN_S = 3
BACKLOG = 512
# What a client has not taken after this long is not going to be taken: the system then closes
# the connection, also of a frozen client whose machine still answers.
UNSENT_TIMEOUT_MS = 15_000
SEND_BUFFER_BYTES = 256 * 1024  # A frozen client is noticed after this much, not after megabytes.


class CannotListenError(Exception):
    """The address cannot be listened on; the message says why."""


class TaskEndedError(Exception):
    """A task without which nothing is right has ended by itself; the log says why."""


def run_api(settings: ApiSettings) -> int:
    """Serve until asked to stop; return the exit code."""
    try:
        listening = listen(settings.host, settings.port)
    except CannotListenError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        with listening:
            asyncio.run(_serve_until_asked(settings, listening))
    except TlsFilesError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START
    except TaskEndedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that clients connect to."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        # Connections inherit these from the socket that they come in by.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_TIMEOUT_MS)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        raise CannotListenError(
            f"The API cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what uses the port, or choose another with --port."
        ) from error
    return opened


async def serve(settings: ApiSettings, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve on a socket until told to stop.

    Raises TaskEndedError when there is no use in serving on: whoever started us starts us again.
    """
    given_up = asyncio.Event()
    application = create_application(settings, give_up=given_up.set)
    server = _Server(_config(application))
    serving = asyncio.create_task(_serve_secured(settings, server, application, listening))
    waiting = [asyncio.create_task(event.wait()) for event in (stop, given_up)]
    await asyncio.wait({serving, *waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    server.should_exit = True
    await serving
    if given_up.is_set():
        raise TaskEndedError("The API ends, because a part of it has ended by itself.")


async def _serve_secured(
    settings: ApiSettings, server: uvicorn.Server, application: FastAPI, listening: socket.socket
) -> None:
    if settings.credentials is None:
        await server.serve(sockets=[listening])
        return
    async with secured(settings.credentials, application.state.parts, place_of(settings)) as tls:
        server.config.load()
        server.config.ssl = tls  # Its own options can't replace a certificate while it runs.
        await server.serve(sockets=[listening])


def _config(application: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        ws="websockets-sansio",
        ws_max_size=FRAME_BYTES_MAX,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        http="h11",
        timeout_keep_alive=int(FIRST_WORD_TIMEOUT_S),
        timeout_graceful_shutdown=DRAIN_S,
        server_header=False,
        access_log=False,
        log_level="warning",
    )


async def _serve_until_asked(settings: ApiSettings, listening: socket.socket) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings, listening, stop))
    asked = asyncio.create_task(until_asked_to_stop(is_supervised()))
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    stop.set()
    await serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `telemetry.lifetime`, as in every service of ours."""
        yield
