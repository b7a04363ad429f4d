"""`groundwatch backtest`: what is shown while it runs, and its findings in the form asked for."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from alarms.backtest.history import TooDenseError
from alarms.backtest.known_events import KnownEventsError
from alarms.backtest.page import page_of
from alarms.backtest.report import as_object
from alarms.backtest.running import BackTestRefusedError, BackTestRequest, back_test
from alarms.backtest.tables import print_tables
from telemetry.site_file import SiteFileError

REFUSED: Final = 2
WIDTH: Final = 120  # Where the output is no terminal.


class ShownProgress:
    """Bars on a terminal; nothing where nobody looks."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "ShownProgress":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begin(self, what: str, total: int, /) -> Callable[[int], None]:
        """Show a bar."""
        bar = self._bars.add_task(what, total=max(total, 1))

        def told(steps: int) -> None:
            self._bars.advance(bar, steps)

        return told


def run_backtest(request: BackTestRequest, *, plot: Path | None, as_json: bool) -> int:
    """Test, print, and return the exit code."""
    try:
        with ShownProgress() as progress:
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
    if as_json:
        sys.stdout.write(json.dumps(as_object(test), ensure_ascii=False) + "\n")
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=WIDTH)
        print_tables(test, console)
    return 0
