"""The seam between the uplink and what carries its frames: a websocket, or an MQTT broker."""

from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

REFUSED_RETRY_S: Final = 10.0  # Somebody has to change something first.


class LineClosedError(Exception):
    """The line to the centre has ended, or could not be made; the message says why."""

    def __init__(self, message: str, *, kind: str = "unreachable") -> None:
        super().__init__(message)
        self.kind = kind  # Another kind is told anew; the same is not.


class RefusedError(Exception):
    """The centre does not take the line, or this stream."""

    def __init__(self, message: str, *, retry_s: float | None) -> None:
        super().__init__(message)
        self.retry_s = retry_s  # None: as after any cut.


class CentreLine(Protocol):
    """One connection to the centre."""

    async def send(self, frame: bytes) -> None:
        """Send a frame; raise `LineClosedError` when the line has ended."""

    async def receive(self) -> bytes:
        """Wait for a frame; raise `LineClosedError` when the line has ended."""

    async def close(self) -> None:
        """Hang up in good order."""


class Carrier(Protocol):
    """Makes connections to the centre, one after the other."""

    @property
    def address(self) -> str:
        """Where the centre is, for the log."""

    @property
    def patience_s(self) -> float:
        """How long the centre may owe an answer before a new connection is tried."""

    @property
    def may_lose(self) -> bool:
        """Whether frames may get lost on a line that goes on."""

    def connect(self) -> AbstractAsyncContextManager[CentreLine]:
        """Connect; raise `LineClosedError`, `RefusedError` or `SettingsError` when that fails."""
