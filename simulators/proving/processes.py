"""Processes that a proof starts: each with a log file, each ended by whoever started it."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

STOP_WITHIN_S = 30.0


class ProcessEndedError(Exception):
    """A process ended that should still run; the message holds the end of its log."""


@dataclass(eq=False)
class Worker:
    """One running process of ours."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def runs(self) -> bool:
        """Whether the process has not ended."""
        return self.process.returncode is None

    async def stop(self, within_s: float = STOP_WITHIN_S) -> int:
        """Ask the process to end, and wait; kill it if it does not."""
        if self.runs:
            self.process.terminate()
        try:
            async with asyncio.timeout(within_s):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()

    async def kill(self) -> None:
        """End the process as a power cut would."""
        if self.runs:
            self.process.kill()
        await self.process.wait()

    def last_words(self) -> str:
        """The end of its log, for people."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-20:])


async def start(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    *,
    niceness: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Worker:
    """Start a `groundwatch` sub-command in a session of its own.

    Its standard input is a pipe from us: when we are gone, it ends as well. A positive
    niceness lets others go first: instruments have to be asked in time, all the rest can wait.
    """
    log = folder / f"{name}.log"
    # A first start prints a token, so nobody else may read what a process says.
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "groundwatch",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=sink,
            stderr=asyncio.subprocess.STDOUT,
            env={
                **os.environ,
                "GROUNDWATCH_SUPERVISED": "1",
                "NO_COLOR": "1",
                **(environment or {}),
            },
            start_new_session=True,
            preexec_fn=partial(os.nice, niceness) if niceness else None,
        )
    return Worker(name, process, log)


async def start_each(
    workers: list[Worker],
    wanted: Iterable[tuple[str, Sequence[str]]],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start processes by name and arguments; each is in the list as soon as it runs.

    So whoever is interrupted between two of them knows which ones to end.
    """
    for name, arguments in wanted:
        workers.append(await start(name, arguments, folder, environment=environment))


async def wait_for_file(path: Path, worker: Worker, within_s: float) -> None:
    """Wait until a worker has written a file."""
    try:
        async with asyncio.timeout(within_s):
            while not path.exists():
                if not worker.runs:
                    raise ProcessEndedError(f"{worker.name} has ended:\n{worker.last_words()}")
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise ProcessEndedError(
            f"{worker.name} was not ready after {within_s:.0f} s:\n{worker.last_words()}"
        ) from None


async def wait_for_line(text: str, worker: Worker, within_s: float) -> str:
    """Wait until a worker's log has a line that contains a text; return that line."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                written = worker.log.read_text(encoding="utf-8", errors="replace")
                for line in written.splitlines():
                    if text in line:
                        return line
                if not worker.runs:
                    raise ProcessEndedError(f"{worker.name} has ended:\n{worker.last_words()}")
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise ProcessEndedError(
            f"{worker.name} did not say '{text}' in {within_s:.0f} s:\n{worker.last_words()}"
        ) from None


def children_of(process_id: int) -> list[int]:
    """List a process's children and theirs, by what the system says (Linux).

    Whoever ends meanwhile has none.
    """
    found: list[int] = []
    try:
        listing = Path(f"/proc/{process_id}/task/{process_id}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return found
    for child in listing.split():
        found.append(int(child))
        found.extend(children_of(int(child)))
    return found


def kill_now(process_ids: Sequence[int]) -> None:
    """Send SIGKILL to processes of ours; those that have ended already are no matter."""
    for process_id in process_ids:
        try:
            os.kill(process_id, signal.SIGKILL)
        except ProcessLookupError:
            continue
