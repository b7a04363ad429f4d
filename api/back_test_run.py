"""One back-test in a process of its own: its files, how far it is, and what became of it.

It is `groundwatch backtest` with the lowest priority and bounds (`alarms.backtest.bounded`), in a
folder that is removed afterwards. It is killed when nobody wants it any more, when it takes too
long, and when we are stopped; and it ends by itself when we are killed, because its standard input
ends then.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from historian.back_tests import BegunBackTest, Ending

log = structlog.get_logger(__name__)

RUN_S_MAX: Final = 3_600.0
TOLD_EVERY_S: Final = 1.0
RESULT_BYTES_MAX: Final = 16 << 20  # Each of report and page.
LINES_KEPT: Final = 40
REASON_CHARACTERS_MAX: Final = 4_000
REFUSED: Final = 2  # The exit code of a command that has said in a sentence what is wrong.
# Files by the names that messages about them have.
SITE_FILE, AGAINST, EVENTS = "site_file", "against", "events"
FILE_NAMES: Final = {SITE_FILE: "site_file.yaml", AGAINST: "against.yaml", EVENTS: "events.csv"}
IN_FORCE: Final = "site-in-force.yaml"
REPORT, PAGE = "report.json", "page.html"

# Told of what is being done, and of its share; answers whether the back-test is still wanted.
Tell = Callable[[str, float], Awaitable[bool]]


@dataclass(slots=True)
class _Heard:
    """What a process has said on standard error."""

    doing: str = "starting"
    share: float = 0.0
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))

    def take(self, line: str) -> None:
        try:
            told = json.loads(line)
            self.doing, self.share = str(told["doing"]), float(told["share"])
        except (ValueError, KeyError, TypeError):
            self.lines.append(line)


async def run_back_test(
    begun: BegunBackTest, *, in_force: str, dsn: str, tell: Tell, run_s_max: float = RUN_S_MAX
) -> Ending | None:
    """Run one to its end; None when it was not wanted any more."""
    with TemporaryDirectory(prefix="groundwatch-backtest-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / IN_FORCE).write_bytes(in_force.encode())
        for file, text in begun.files.items():
            (folder / FILE_NAMES[file]).write_bytes(text.encode())
        with (folder / REPORT).open("wb") as report:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "groundwatch", "backtest"),
                *arguments_of(begun.request, begun.files),
                stdin=PIPE,
                stdout=report,
                stderr=PIPE,
                cwd=folder,
                # A second thread of a linear algebra would only take the centre's other core.
                env={**os.environ, "GROUNDWATCH_DSN": dsn, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        heard = _Heard()
        try:
            code = await _watched(process, heard, tell, run_s_max)
        except TimeoutError:
            return Ending("failed", f"It took longer than {run_s_max:g} s. Remedy: a shorter span.")
        finally:
            await _ended(process)
        return None if code is None else ending_of(code, heard.lines, folder)


def arguments_of(request: Mapping[str, Any], files: Mapping[str, str]) -> list[str]:
    """Say on a command line what was asked for."""
    site = FILE_NAMES[SITE_FILE] if SITE_FILE in files else IN_FORCE
    words = ["--site", site, "--json", "--plot", PAGE, "--within", "."]
    for option in ("from", "to", "order"):
        if request.get(option) is not None:
            words += [f"--{option}", str(request[option])]
    for file in (AGAINST, EVENTS):
        if file in files:
            words += [f"--{file}", FILE_NAMES[file]]
    words += ["--horizon", f"{request['horizon_s']:.15g}s"]
    words += ["--chatter-raises", str(request["chatter_raises"])]
    return [*words, "--chatter-window", f"{request['chatter_window_s']:.15g}s"]


def ending_of(code: int, lines: deque[str], folder: Path) -> Ending:
    """Say what became of a process that has ended by itself."""
    if code == 0:
        texts = []
        for name in (REPORT, PAGE):
            path = folder / name
            if path.stat().st_size > RESULT_BYTES_MAX:
                most = f"{RESULT_BYTES_MAX >> 20} MiB"
                return Ending("failed", f"{name} is larger than {most}. Remedy: a shorter span.")
            texts.append(path.read_text("utf-8"))
        return Ending("finished", report=texts[0], page=texts[1])
    said = "\n".join(lines)
    if code < 0:
        return Ending(
            "failed", f"The system ended it (signal {-code}), perhaps for lack of memory."
        )
    if code == REFUSED or not any(one.startswith("Traceback") for one in lines):
        return Ending("failed", said[-REASON_CHARACTERS_MAX:] or f"It ended with code {code}.")
    log.error("a back-test failed", code=code, said=said)
    return Ending("failed", "It failed on our side; the log of the API tells more.")


async def _watched(process: Process, heard: _Heard, tell: Tell, run_s_max: float) -> int | None:
    """Wait for a process's end, and tell of it; None when it is not wanted any more."""
    ended = asyncio.create_task(process.wait(), name="back-test")
    hearing = asyncio.create_task(_hear(process, heard), name="hear a back-test")
    try:
        async with asyncio.timeout(run_s_max):
            while not ended.done():
                if not await tell(heard.doing, heard.share):
                    return None
                await asyncio.wait({ended}, timeout=TOLD_EVERY_S)
            await hearing
            return ended.result()
    finally:
        ended.cancel()
        hearing.cancel()
        await asyncio.gather(ended, hearing, return_exceptions=True)


async def _hear(process: Process, heard: _Heard) -> None:
    assert process.stderr is not None
    while line := await _line(process.stderr):
        heard.take(line.decode("utf-8", "replace").rstrip("\n"))


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Read a line; one that is longer than any of ours is passed over."""
    while True:
        try:
            return await stream.readline()
        except ValueError:
            continue


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
