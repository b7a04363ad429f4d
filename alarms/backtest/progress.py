"""How far a long command is: bars on a terminal, nothing where nobody looks."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class Progress(Protocol):
    """Somebody who wants to know how far it is."""

    def begin(self, what: str, total: int, /) -> Callable[[int], None]:
        """Begin something of so many steps; what is returned is told of steps done."""


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
