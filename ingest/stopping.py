"""Waits that end early when the centre is told to stop."""

import asyncio
from typing import Any


async def pause(stop: asyncio.Event, real_s: float) -> None:
    """Wait for a while, or until told to stop."""
    try:
        async with asyncio.timeout(real_s):
            await stop.wait()
    except TimeoutError:
        return


async def done_or_stopped(work: asyncio.Task[Any], stop: asyncio.Event) -> bool:
    """Wait until work is done or we are told to stop; tell whether it is done.

    Work that is not done goes on: to end it, and to wait for its end, is the caller's.
    """
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    return work.done()
