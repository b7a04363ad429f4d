"""The seam between the buses and the spool: scans as they are taken, and who takes them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from telemetry.clock import Clock
from telemetry.event import EventBlock
from telemetry.plan import GroupPlan
from telemetry.unread import Unread


@dataclass(frozen=True, slots=True, eq=False)
class TakenScan:
    """One scan as it was taken."""

    plan: GroupPlan
    sampled_us: int  # The nominal instant, or what the device's own stamp says.
    monotonic_us: int
    raw: NDArray[np.float64]  # [slot]
    quality: NDArray[np.int16]  # [slot]
    in_order: bool = True  # See `telemetry.scan.ScanBlock`; the same for all scans of a group.
    # Called once the spool has it, durably. Who waits for that bounds how many he hands over,
    # because they are not given up while the disk refuses them.
    kept: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TakenEvents:
    """Events of one source as a message told of them."""

    block: EventBlock
    kept: Callable[[], None]  # Called once the spool has them, durably.


@dataclass(frozen=True, slots=True, eq=False)
class KeptAside:
    """What came and could not be read; the centre puts it into quarantine."""

    unread: Unread
    kept: Callable[[], None] | None = None  # Called once the spool has it, durably.


Keep = Callable[[TakenScan], None]
KeepEvents = Callable[[TakenEvents], None]
KeepAside = Callable[[KeptAside], None]


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
