"""The seam between the buses and the spool: scans as they are taken, and who takes them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from telemetry.clock import Clock
from telemetry.plan import GroupPlan


@dataclass(frozen=True, slots=True, eq=False)
class TakenScan:
    """One scan as it was taken."""

    plan: GroupPlan
    sampled_us: int  # The nominal instant, or what the device's own stamp says.
    monotonic_us: int
    raw: NDArray[np.float64]  # [slot]
    quality: NDArray[np.int16]  # [slot]
    in_order: bool = True  # See `telemetry.scan.ScanBlock`; the same for all scans of a group.
    kept: Callable[[], None] | None = None  # Called once the spool has it, durably.


Keep = Callable[[TakenScan], None]


class Source(Protocol):
    """Whoever takes scans from one bus."""

    @property
    def source_id(self) -> str:
        """The id of the bus."""

    async def warm_up(self) -> None:
        """Connect before time begins, so that the first scan is as quick as the others."""

    def close(self) -> None:
        """Hang up; a source may have been warmed up and never run."""

    async def run(
        self, clock: Clock, stop: asyncio.Event, *, begin_us: int, newest_us: Mapping[str, int]
    ) -> None:
        """Take scans until told to stop.

        A bus that is polled begins after `begin_us`, and each group after what is in the spool.
        """
