"""The websocket that an edge opens to the centre."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from edge_agent.carrier import REFUSED_RETRY_S, LineClosedError, RefusedError
from edge_agent.secured_line import SecuredLine
from edge_agent.settings import read_token
from telemetry.frames import FRAME_BYTES_MAX, ProtocolError
from telemetry.tls_errors import trouble_of
from telemetry.uplink import PATIENCE_S

OPEN_S: Final = 5.0
PING_S: Final = 10.0
CLOSE_S: Final = 1.0


class WebsocketCarrier:
    """Connects to ws://HOST:PORT or wss://HOST:PORT."""

    patience_s = PATIENCE_S
    may_lose = False  # Below it is TCP: either it delivers or it is dead.

    def __init__(
        self, *, centre: str, site: str, token_file: Path, secured: SecuredLine | None = None
    ) -> None:
        self.address = f"{centre}/edge/v1/{site}"
        self._token_file = token_file
        self._secured = secured or SecuredLine(centre)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["WebsocketLine"]:
        """Connect, and show the token."""
        opening = connect(
            self.address,
            ssl=self._secured.context(),
            additional_headers={"Authorization": f"Bearer {read_token(self._token_file)}"},
            compression=None,  # Blocks are compressed already.
            proxy=None,  # A proxy meant for browsers must not hold a dam's readings up.
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_size=FRAME_BYTES_MAX,
        )
        try:
            socket = await opening
        except InvalidStatus as error:
            body = (error.response.body or b"").decode(errors="replace").strip()
            status = error.response.status_code
            raise RefusedError(
                f"the centre answered {status}: {body[:400]}",
                # Below 500 it is about this edge; above, the centre is only not ready.
                retry_s=REFUSED_RETRY_S if status < 500 else None,
            ) from error
        except InvalidURI as error:
            raise RefusedError(str(error), retry_s=REFUSED_RETRY_S) from error
        except (OSError, WebSocketException, TimeoutError) as error:
            raise self._why_closed(error) from error
        try:
            yield WebsocketLine(socket)
        finally:
            await socket.close()

    def _why_closed(self, error: Exception) -> LineClosedError:
        trouble = self._secured.trouble or trouble_of(error)
        if trouble is None:
            return LineClosedError(str(error) or type(error).__name__)
        return LineClosedError(trouble.sentence, kind=f"tls {trouble.reason}")


class WebsocketLine:
    """One connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        """Send a frame as one binary message."""
        try:
            await self._socket.send(frame)
        except ConnectionClosed as error:
            raise LineClosedError(str(error)) from error

    async def receive(self) -> bytes:
        """Wait for a frame."""
        try:
            message = await self._socket.recv()
        except ConnectionClosed as error:
            raise LineClosedError(str(error)) from error
        if isinstance(message, str):
            raise ProtocolError("a text message came; frames are binary")
        return message

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()
