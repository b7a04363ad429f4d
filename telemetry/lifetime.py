"""How long a process of ours lives, and its tasks: until told to stop, or with the supervisor."""

import asyncio
import os
import signal
import sys

STDIN_CHUNK = 4096
# A service's exit code for "I have said what is wrong; trying again is no use".
CANNOT_START = 3


async def until_asked_to_stop(supervised: bool) -> None:
    """Wait for SIGTERM or SIGINT and, under a supervisor, for the end of standard input.

    A supervisor holds the other end of the standard input of each process it starts. When it
    dies, even by SIGKILL, the system closes that end, and no process is left behind.

    The signals stay caught after we return: Ctrl-C reaches a service twice, once from the
    terminal and once from its supervisor, and the second must not cut the draining short.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    if not supervised:
        await asked.wait()
        return

    stdin = sys.__stdin__
    assert stdin is not None, "a supervised process is started with a pipe as standard input"
    descriptor = stdin.fileno()

    def read_stdin() -> None:
        if not os.read(descriptor, STDIN_CHUNK):
            loop.remove_reader(descriptor)
            asked.set()

    loop.add_reader(descriptor, read_stdin)
    try:
        await asked.wait()
    finally:
        loop.remove_reader(descriptor)


def is_supervised() -> bool:
    """Tell whether a supervisor started this process."""
    return os.environ.get("GROUNDWATCH_SUPERVISED") == "1"


def heed_cancellation() -> None:
    """End a task that was cancelled although whatever it awaited did not say so.

    To be called after awaiting what we did not write: pymodbus and aiomqtt wait with
    `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that comes in the same round of
    the loop as what it waits for.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
