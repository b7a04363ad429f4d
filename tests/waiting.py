"""Waiting for what other processes do: they cannot set our events, so a test looks again.

No other test sleeps: what happens in our own process is waited for by its event.
"""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

LOOK_AGAIN_S = 0.02
WITHIN_S = 40.0  # A busy machine is slow; what never comes is told within this time.

Found = TypeVar("Found")


async def until(
    condition: Callable[[], Found | Awaitable[Found]], within_s: float = WITHIN_S
) -> Found:
    """Look until a condition holds, and return what it gave; TimeoutError when it never does."""
    async with asyncio.timeout(within_s):
        while True:
            looked = condition()
            found = await looked if isawaitable(looked) else looked
            if found:
                return found
            await asyncio.sleep(LOOK_AGAIN_S)
