"""The live line."""

from fastapi import APIRouter, WebSocket

from api.errors import ApiError
from api.live_client import LiveClient
from api.parts import parts_of, token_of

CLIENTS_MAX = 2000  # Measured: some 2,500 clients at 10 messages/s fill a core.

router = APIRouter()


@router.websocket("/api/v1/live")
async def live(socket: WebSocket) -> None:
    """Serve alarms and readings as they come; see docs/api.md for the messages."""
    parts = parts_of(socket)
    if parts.feed.subscriber_count >= CLIENTS_MAX:
        raise ApiError(503, "too_many", f"{CLIENTS_MAX} live lines are open; try again later.")
    client = LiveClient(
        socket,
        token_of(socket),
        feed=parts.feed,
        directory=parts.directory,
        clock=parts.clock,
        send_timeout_s=parts.settings.send_timeout_s,
    )
    code = await client.serve()
    if code is not None:
        parts.metrics.live_clients_cut.labels(str(code)).inc()
