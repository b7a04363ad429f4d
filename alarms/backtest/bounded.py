"""A back-test that somebody else waits for: of lowest priority, bounded, ended with its starter.

The API starts it beside a centre that watches the ground. So it gets what is left over of the
machine, the system ends it first when memory runs out, and it ends when its standard input does:
the other end is held by who started it, also when that is killed.
"""

import json
import os
import resource
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

# Data, not addresses: what NumPy and libraries map without touching costs nothing.
MEMORY_BYTES_MAX: Final = 2 << 30
TOLD_EVERY: Final = 0.01  # Of what is being done.
STDIN_CHUNK: Final = 4096


def bound_to_starter(folder: Path) -> None:
    """Take the last place on this machine; when standard input ends, remove the folder and end."""
    os.nice(19)
    with suppress(AttributeError, OSError):  # Not on every system, nor in every container.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    bounded = MEMORY_BYTES_MAX if most == resource.RLIM_INFINITY else min(MEMORY_BYTES_MAX, most)
    resource.setrlimit(resource.RLIMIT_DATA, (bounded, most))
    whole = folder.resolve()
    threading.Thread(target=_end_with_starter, args=(whole,), name="starter", daemon=True).start()


def _end_with_starter(folder: Path) -> None:
    while os.read(0, STDIN_CHUNK):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)  # Nothing is to be kept, and nothing waits for us.


class ToldProgress:
    """Progress as lines of JSON on standard error: what is being done, and which share of it is."""

    def __enter__(self) -> "ToldProgress":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, what: str, total: int, /) -> Callable[[int], None]:
        """Tell that something begins."""
        done, told = 0, 0.0
        _tell(what, 0.0)

        def more(steps: int) -> None:
            nonlocal done, told
            done += steps
            share = min(1.0, done / max(total, 1))
            if share - told >= TOLD_EVERY:
                told = share
                _tell(what, share)

        return more


def _tell(doing: str, share: float) -> None:
    sys.stderr.write(json.dumps({"doing": doing, "share": round(share, 4)}) + "\n")
    sys.stderr.flush()
