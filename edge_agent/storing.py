"""The spool's thread: the disk may be slow, the buses must not notice."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from edge_agent.spool import Appended, Spool, SpoolBlock, SpoolError
from telemetry.clock import MachineClock
from telemetry.ranges import Range, RangeSet

Result = TypeVar("Result")


class StoreFailedError(Exception):
    """The disk refuses to write: full, or worn out; it may work again later."""


@dataclass(frozen=True, slots=True)
class SpoolState:
    """Which stream the spool is, and what it holds."""

    epoch: UUID
    held: RangeSet
    next_seq: int


class SpoolThread:
    """A spool that is waited for; everything happens in one thread, in order."""

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._clock = MachineClock()  # Blocks are kept for a week of real time.
        self._path = path
        self._bytes_max = bytes_max
        self._spool: Spool | None = None

    async def open(self) -> Path | None:
        """Open the file; return where an unusable one was moved to, if there was one."""

        def work() -> Path | None:
            self._spool = Spool(self._path, bytes_max=self._bytes_max)
            return self._spool.moved_aside

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def append(self, blocks: Callable[[], Sequence[SpoolBlock]]) -> Appended:
        """Make blocks and keep them; they are durable when this returns."""
        return await self._do(lambda spool: spool.append(blocks(), self._clock.now_us()))

    async def read(self, seqs: Sequence[int], bytes_max: int) -> list[tuple[int, bytes]]:
        """Read blocks in order, as many as fit."""
        return await self._do(lambda spool: spool.read(seqs, bytes_max))

    async def acknowledge(self, ranges: Iterable[Range]) -> None:
        """Note what the centre has committed."""
        # What the disk refuses to note is told again at the next connection.
        with suppress(StoreFailedError):
            await self._do(lambda spool: spool.acknowledge(ranges, self._clock.now_us()))

    async def ask_again(self, ranges: Iterable[Range]) -> None:
        """Note what the centre lacks."""
        with suppress(StoreFailedError):
            await self._do(lambda spool: spool.ask_again(ranges))

    async def is_delivered(self) -> bool:
        """Tell whether the centre has committed everything."""
        return await self._do(Spool.is_delivered)

    async def newest(self, blocks: int) -> list[bytes]:
        """Read the contents of the newest blocks."""
        return await self._do(lambda spool: spool.newest(blocks))

    async def renew(self) -> None:
        """Begin a new epoch."""
        await self._do(Spool.renew)

    async def state(self) -> SpoolState:
        """Tell which stream the spool is, and what it holds."""
        return await self._do(
            lambda spool: SpoolState(spool.epoch, spool.held.copy(), spool.next_seq)
        )

    async def close(self) -> None:
        """Close the file and end the thread."""
        if self._spool is not None:
            await self._do(Spool.close)
            self._spool = None
        self._thread.shutdown(wait=True)

    async def _do(self, work: Callable[[Spool], Result]) -> Result:
        spool = self._spool
        assert spool is not None

        def guarded() -> Result:
            try:
                return work(spool)
            except sqlite3.OperationalError as error:
                raise StoreFailedError(str(error)) from error
            except sqlite3.DatabaseError as error:
                spool.abandon()
                self._spool = None
                raise SpoolError(
                    f"the spool {self._path} is damaged and was moved to {spool.moved_aside}: "
                    "the agent begins a new one when it is started again"
                ) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)
