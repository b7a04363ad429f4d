"""Commands from the centre, handed to whoever can obey them."""

from collections.abc import Awaitable, Callable, Iterable


class CommandRefusedError(Exception):
    """The edge cannot do what it was asked; the message is a sentence."""


Measuring = Callable[[str], Awaitable[str]]


class Commands:
    """Which bus measures which group now; empty until the buses are there."""

    def __init__(self) -> None:
        self._by_group: dict[str, Measuring] = {}

    def offer(self, groups: Iterable[str], measure: Measuring) -> None:
        """Say who measures some groups."""
        self._by_group |= dict.fromkeys(groups, measure)

    async def measure(self, group: str) -> str:
        """Measure a group now; return what came of it, or raise `CommandRefusedError`."""
        measuring = self._by_group.get(group)
        if measuring is None:
            raise CommandRefusedError(f"this edge polls no group '{group}' now")
        return await measuring(group)
