"""Live lines as a test opens them, and what it hears on them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api_centre import SITE, Centre
from ground import transition
from websockets.asyncio.client import ClientConnection, connect

from alarms.transition import Change, Transition

Message = dict[str, Any]
TIMEOUT_S = 15.0


@asynccontextmanager
async def line(
    centre: Centre, wish: dict[str, Any] | None = None, *, token: str | None = None, **more: Any
) -> AsyncIterator[ClientConnection]:
    headers = {"authorization": f"Bearer {token or centre.viewer}"} | more.pop("headers", {})
    async with connect(centre.live_url, additional_headers=headers, proxy=None, **more) as opened:
        if wish is not None:
            await subscribe(opened, **wish)
        yield opened


async def subscribe(opened: ClientConnection, **wish: Any) -> None:
    await opened.send(json.dumps({"subscribe": {"site": SITE} | wish}))


async def hear(opened: ClientConnection, *kinds: str) -> Message:
    """Wait for a message of one of these types."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            message: Message = json.loads(await opened.recv())
            if message["type"] in kinds:
                return message


async def numbers(opened: ClientConnection, upto: int) -> list[int]:
    """Collect journal numbers up to one."""
    found: list[int] = []
    while not found or found[-1] < upto:
        message = await hear(opened, "alarm")
        assert message["cursor"] == {SITE: message["entry"]["number"]}
        found.append(message["entry"]["number"])
    return found


def raises(count: int, begin: int = 0) -> list[Transition]:
    return [
        transition(Change.RAISE, "blue", at_s=n, of=f"crack-{n}")
        for n in range(begin, begin + count)
    ]


async def closing(opened: ClientConnection) -> tuple[int, str]:
    """Wait until the centre closes the line."""
    async with asyncio.timeout(TIMEOUT_S):
        await opened.wait_closed()
    return opened.close_code or 0, opened.close_reason or ""
