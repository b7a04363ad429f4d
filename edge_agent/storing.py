"""The spool's thread: the disk may be slow, the buses must not notice."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import structlog

from edge_agent.spool import Appended, Spool, SpoolBlock
from edge_agent.spool_file import is_damage
from telemetry.clock import MachineClock, real_monotonic_s
from telemetry.failpoints import passing
from telemetry.ranges import Range, RangeSet

Result = TypeVar("Result")

RENEWALS_APART_S: Final = 60.0  # A disk that damages every file must not fill up with them.

log = structlog.get_logger()


class StoreFailedError(Exception):
    """The disk refuses to write: full, or worn out; it may work again later."""


class StreamEndedError(Exception):
    """The spool has begun a new stream; numbers of the old one mean nothing any more."""


@dataclass(frozen=True, slots=True)
class SpoolState:
    """Which stream the spool is, and what it holds."""

    epoch: UUID
    held: RangeSet
    losses: dict[int, str]  # Numbers that stand for what is gone, and why.
    next_seq: int


class SpoolThread:
    """A spool that is waited for; everything happens in one thread, in order."""

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._clock = MachineClock()  # Blocks are kept for a week of real time.
        self._path = path
        self._bytes_max = bytes_max
        self._spool: Spool | None = None
        self._renewed_s = -RENEWALS_APART_S

    @property
    def epoch(self) -> UUID | None:
        """Which stream the spool is now."""
        return None if self._spool is None else self._spool.epoch

    async def open(self) -> None:
        """Open the file, or a new one with what is left of a damaged one."""

        def work() -> None:
            self._spool = Spool(self._path, bytes_max=self._bytes_max)
            self._tell(self._spool, "it was damaged")

        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def append(self, blocks: Callable[[], Sequence[SpoolBlock]]) -> Appended:
        """Make blocks and keep them; they are durable when this returns."""
        passing("edge_before_spool_commit")
        appended = await self._do(lambda spool: spool.append(blocks(), self._clock.now_us()))
        passing("edge_after_spool_commit")
        return appended

    async def read(
        self, epoch: UUID, seqs: Sequence[int], bytes_max: int
    ) -> list[tuple[int, bytes]]:
        """Read blocks of a stream in order, as many as fit."""
        return await self._do(lambda spool: spool.read(seqs, bytes_max), epoch)

    async def acknowledge(self, epoch: UUID, ranges: Sequence[Range]) -> None:
        """Note what the centre has committed."""
        # What the disk refuses to note is told again at the next connection.
        with suppress(StoreFailedError):
            await self._do(lambda spool: spool.acknowledge(ranges, self._clock.now_us()), epoch)

    async def ask_again(self, epoch: UUID, ranges: Sequence[Range]) -> None:
        """Note what the centre lacks."""
        with suppress(StoreFailedError):
            await self._do(lambda spool: spool.ask_again(ranges), epoch)

    async def is_delivered(self) -> bool:
        """Tell whether the centre has committed everything."""
        return await self._do(Spool.is_delivered)

    async def newest(self, blocks: int) -> list[bytes]:
        """Read the contents of the newest blocks."""
        return await self._do(lambda spool: spool.newest(blocks))

    async def renew(self, epoch: UUID) -> None:
        """Begin a new stream, because the centre knows more of this one than the file does."""

        def work(spool: Spool) -> None:
            spool.begin_anew("outdated")
            self._tell(spool, "it was an old copy")

        await self._do(work, epoch)

    async def state(self) -> SpoolState:
        """Tell which stream the spool is, and what it holds."""
        return await self._do(
            lambda spool: SpoolState(
                spool.epoch, spool.held.copy(), dict(spool.losses), spool.next_seq
            )
        )

    async def close(self) -> None:
        """Close the file and end the thread."""
        if self._spool is not None:
            await self._do(Spool.close)
            self._spool = None
        self._thread.shutdown(wait=True)

    async def _do(self, work: Callable[[Spool], Result], epoch: UUID | None = None) -> Result:
        """Work in the thread; work that is about one stream is refused when another has begun."""
        spool = self._spool
        assert spool is not None

        def checked() -> Result:
            if epoch is not None and spool.epoch != epoch:
                raise StreamEndedError("the spool has begun a new stream")
            return work(spool)

        def guarded() -> Result:
            try:
                try:
                    return checked()
                except sqlite3.DatabaseError as error:
                    self._begin_anew(spool, error)
                    return checked()
            except (sqlite3.DatabaseError, OSError) as error:
                raise StoreFailedError(str(error)) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    def _begin_anew(self, spool: Spool, error: sqlite3.DatabaseError) -> None:
        """Leave a damaged file for a new one; raise the error if it may pass by itself."""
        at_s = real_monotonic_s()
        if not is_damage(error) or at_s - self._renewed_s < RENEWALS_APART_S:
            raise error
        self._renewed_s = at_s
        spool.begin_anew("corrupt")
        self._tell(spool, f"it is damaged: {error}")

    @staticmethod
    def _tell(spool: Spool, reason: str) -> None:
        if (before := spool.succession) is not None:
            log.error(
                "the spool was replaced by a new one",
                reason=reason,
                old=str(before.aside),
                blocks_carried_over=before.blocks,
                loss=before.loss or "none",
                older_ones_removed=[one.name for one in before.removed],
            )
