"""Waiting for an event, but not for longer than one can afford."""

import asyncio


async def happens_within(event: asyncio.Event, at_most_s: float) -> bool:
    """Wait for an event; tell whether it is set.

    Not `asyncio.wait_for`: in Python 3.11 that swallows a cancellation which comes in the same
    round of the loop as the event, and the task it was meant for then never ends.
    """
    try:
        async with asyncio.timeout(at_most_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def heed_cancellation() -> None:
    """End a task that was cancelled although whatever it awaited did not say so.

    To be called after awaiting what we did not write: pymodbus waits with `asyncio.wait_for`.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
