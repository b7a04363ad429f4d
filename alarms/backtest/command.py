"""`groundwatch backtest`: what is shown while it runs, and its findings in the form asked for."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from alarms.backtest.bounded import MEMORY_BYTES_MAX, ToldProgress, bound_to_starter
from alarms.backtest.history import TooDenseError
from alarms.backtest.known_events import KnownEventsError
from alarms.backtest.page import page_of
from alarms.backtest.progress import ShownProgress
from alarms.backtest.report import as_object
from alarms.backtest.running import BackTestRefusedError, BackTestRequest, back_test
from alarms.backtest.tables import print_tables
from telemetry.site_file import SiteFileError

REFUSED: Final = 2
WIDTH: Final = 120  # Where the output is no terminal.


def run_backtest(
    request: BackTestRequest, *, plot: Path | None, as_json: bool, within: Path | None = None
) -> int:
    """Test, print, and return the exit code; `within` is the folder of a bounded one."""
    if within is not None:
        bound_to_starter(within)
    try:
        if plot is not None:
            plot.touch()  # Better refused now than after an hour.
        with ShownProgress() if within is None else ToldProgress() as progress:
            test = asyncio.run(back_test(request, progress))
        if plot is not None:
            plot.write_text(page_of(test), encoding="utf-8")
    except OSError as error:
        name = error.filename or request.site
        sys.stderr.write(f"{name} can be neither read nor written: {error.strerror}\n")
        return REFUSED
    except (BackTestRefusedError, KnownEventsError, SiteFileError, TooDenseError) as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except MemoryError:
        if within is None:
            raise
        sys.stderr.write(
            f"The back-test needs more than {MEMORY_BYTES_MAX >> 20} MiB of memory. "
            "Remedy: a shorter span.\n"
        )
        return REFUSED
    if as_json:
        sys.stdout.write(json.dumps(as_object(test), ensure_ascii=False) + "\n")
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=WIDTH)
        print_tables(test, console)
    return 0
