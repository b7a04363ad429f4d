"""An edge agent in a process of its own that stops at a place in its work, to be killed there.

    mqtt_edge_process.py SETTINGS.json PLACE

PLACE is `before` the spool writes what came, or `after` it has; the line "held" tells that it is
there. With `never` it works on.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_agent.agent import run
from edge_agent.settings import EdgeSettings
from edge_agent.spool import Appended, SpoolBlock
from edge_agent.storing import SpoolThread


class HeldSpool:
    """The spool's `append` with a place where it stops for ever."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._append = SpoolThread.append

    def hold(self) -> None:
        """Put us into the way of every append."""
        holder = self

        async def append(
            spool: SpoolThread, blocks: Callable[[], Sequence[SpoolBlock]]
        ) -> Appended:
            if holder._place == "before":
                await held()
            appended = await holder._append(spool, blocks)
            if holder._place == "after":
                await held()
            return appended

        SpoolThread.append = append  # type: ignore[method-assign]


async def held() -> None:
    """Say that we are here, and never go on."""
    sys.stdout.write("held\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    HeldSpool(sys.argv[2]).hold()
    settings = EdgeSettings.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    asyncio.run(run(settings, asyncio.Event()))
