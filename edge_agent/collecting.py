"""Collecting: scans become blocks in the spool, together when they come together.

A block holds scans of one group, one after the other. Nothing waits longer than a second
(less by default), and nothing waits at all once a limit is violated.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from carriers.waiting import happens_within
from edge_agent.source import KeptAside, TakenEvents, TakenScan
from edge_agent.spool import Appended, SpoolBlock
from edge_agent.storing import SpoolThread, StoreFailedError
from edge_agent.taken import note_intended, note_kept
from telemetry.conversion import GroupConverter
from telemetry.event import joined_events
from telemetry.event_message import cut
from telemetry.event_wire import encode_events
from telemetry.plan import GroupPlan
from telemetry.planted import planted
from telemetry.quality import is_bad
from telemetry.scan import ScanBlock
from telemetry.unread import encode_unread
from telemetry.wire import SCANS_MAX, encode_block

SCANS_HELD_MAX: Final = 20_000  # In memory, while the disk refuses them.
RETRY_S: Final = 1.0

log = structlog.get_logger()


class LimitWatch:
    """Whether a scan of one group reaches any bound or alarming state: then it is sent at once.

    No alarm is decided here: without delays and deadbands this only ever hurries too often.
    """

    def __init__(self, plan: GroupPlan) -> None:
        self._converter = GroupConverter(plan)
        self._high = np.full(plan.slot_count, np.inf)
        self._low = np.full(plan.slot_count, -np.inf)
        self._states: list[tuple[int, NDArray[np.float64]]] = []
        for one in plan.channels:
            for limit in one.channel.limits:
                bounds = [bound for _, bound in limit.levels if bound is not None]
                if limit.direction == "high":
                    self._high[one.slot] = min([self._high[one.slot], *bounds])
                else:
                    self._low[one.slot] = max([self._low[one.slot], *bounds])
            states = one.channel.states or {}
            alarming = [float(number) for number, state in states.items() if state.level]
            if alarming:
                self._states.append((one.slot, np.array(alarming)))

    def is_violated(self, raw: NDArray[np.float64], quality: NDArray[np.int16]) -> bool:
        """Tell whether one scan holds anything urgent."""
        value, judged = self._converter.convert(raw[np.newaxis, :], quality[np.newaxis, :])
        good = ~is_bad(judged[0])
        beyond = (value[0] >= self._high) | (value[0] <= self._low)
        if (beyond & good).any():
            return True
        return any(good[slot] and value[0, slot] in numbers for slot, numbers in self._states)


class Collector:
    """Scans on their way into the spool."""

    def __init__(
        self,
        site: str,
        groups: Iterable[GroupPlan],
        spool: SpoolThread,
        *,
        collect_s: float,
        appended: Callable[[Appended], None],
    ) -> None:
        self._site = site
        self._spool = spool
        self._collect_s = collect_s
        self._appended = appended
        self._watches = {plan.key: LimitWatch(plan) for plan in groups}
        self._scans: list[TakenScan] = []
        self._aside: list[KeptAside] = []
        self._events: list[TakenEvents] = []
        self._some = asyncio.Event()
        self._urgent = asyncio.Event()
        self._failing = False
        self._lost = 0  # Scans, since the disk began to refuse.

    def keep(self, scan: TakenScan) -> None:
        """Take a scan; it is in the spool soon, at once when a limit is violated."""
        self._scans.append(scan)
        self._some.set()
        if self._watches[scan.plan.key].is_violated(scan.raw, scan.quality):
            self._urgent.set()

    def keep_aside(self, one: KeptAside) -> None:
        """Take what could not be read; it is in the spool soon, to be put into quarantine."""
        self._aside.append(one)
        self._some.set()

    def keep_events(self, taken: TakenEvents) -> None:
        """Take events; they are in the spool soon."""
        self._events.append(taken)
        self._some.set()

    async def run(self, finish: asyncio.Event) -> None:
        """Write what was collected; after `finish` is set, write the rest and return."""
        finishing = asyncio.create_task(self._hurry_at(finish), name="finish")
        try:
            while not finish.is_set():
                await self._some.wait()
                await happens_within(self._urgent, self._collect_s)
                if not await self._flush() and not finish.is_set():
                    await asyncio.sleep(RETRY_S)
            if not await self._flush():
                # What somebody waits for will come again.
                lost = self._lost + sum(scan.kept is None for scan in self._scans)
                log.error("scans lost: the disk refused them to the end", scans=lost)
        finally:
            finishing.cancel()

    async def _hurry_at(self, finish: asyncio.Event) -> None:
        await finish.wait()
        self._urgent.set()
        self._some.set()

    async def _flush(self) -> bool:
        """Write everything there is; false when the disk refuses it."""
        scans, self._scans = self._scans, []
        aside, self._aside = self._aside, []
        events, self._events = self._events, []
        self._some.clear()
        self._urgent.clear()
        if not scans and not aside and not events:
            return True
        number = note_intended(scans)
        try:
            appended = await self._spool.append(
                lambda: [
                    *_blocks(self._site, scans),
                    *_event_blocks(events),
                    *map(_block_aside, aside),
                ]
            )
        except StoreFailedError as error:
            self._take_back(scans, error)
            self._aside = [*aside, *self._aside]
            self._events = [*events, *self._events]  # Bounded by who waits for them.
            return False
        note_kept(number)
        if self._failing:
            log.info("spool takes scans again", scans_lost=self._lost)
            self._failing = False
            self._lost = 0
        if appended.dropped:
            log.error("spool full: undelivered blocks given up", ranges=appended.dropped)
        self._appended(appended)
        taken: Sequence[TakenScan | TakenEvents | KeptAside] = (*scans, *events, *aside)
        for one in taken:
            if one.kept is not None:
                one.kept()
        return True

    def _take_back(self, scans: list[TakenScan], error: StoreFailedError) -> None:
        """Keep scans that the disk refuses in memory for a while, the newest of them."""
        if not self._failing:
            log.error("spool cannot be written; scans wait in memory", reason=str(error))
            self._failing = True
        every = [*scans, *self._scans]
        self._scans = _newest(every, SCANS_HELD_MAX)
        self._some.set()
        lost = len(every) - len(self._scans)
        if lost and not self._lost:  # How many in all is told in the end.
            log.error("scans are being lost: no room on disk or in memory")
        self._lost += lost


def _newest(scans: Sequence[TakenScan], most: int) -> list[TakenScan]:
    """Leave out the oldest scans beyond a number, but none that somebody waits for."""
    beyond = len(scans) - most
    newest: list[TakenScan] = []
    for scan in scans:
        if beyond > 0 and scan.kept is None:
            beyond -= 1
        else:
            newest.append(scan)
    return newest


def _blocks(site: str, scans: Sequence[TakenScan]) -> list[SpoolBlock]:
    """Put scans of the same group together, groups in the order of their first scan."""
    by_group: dict[str, list[TakenScan]] = {}
    for scan in scans:
        by_group.setdefault(scan.plan.key, []).append(scan)  # A group has one source.
    return [
        _block(site, of_group[begin : begin + SCANS_MAX])
        for of_group in by_group.values()
        for begin in range(0, len(of_group), SCANS_MAX)
    ]


def _event_blocks(events: Sequence[TakenEvents]) -> list[SpoolBlock]:
    """Put events of the same source together, in the order in which they came."""
    by_source: dict[str, list[TakenEvents]] = {}
    for taken in events:
        by_source.setdefault(taken.block.source, []).append(taken)
    return [
        SpoolBlock(encode_events(block), len(block), int(block.numbers.size))
        for of_source in by_source.values()
        for block in cut(joined_events([one.block for one in of_source]))
    ]


def _block_aside(one: KeptAside) -> SpoolBlock:
    return SpoolBlock(encode_unread(one.unread), 0, 0)


def _block(site: str, scans: Sequence[TakenScan]) -> SpoolBlock:
    plan = scans[0].plan
    block = ScanBlock(
        site=site,
        group=plan.key,
        layout=plan.layout,
        sampled_us=np.array([scan.sampled_us for scan in scans], np.int64),
        monotonic_us=np.array([scan.monotonic_us for scan in scans], np.int64),
        raw=_numbers(scans),
        quality=_qualities(scans),
        in_order=scans[0].in_order,
    )
    return SpoolBlock(encode_block(block), len(scans), block.reading_count)


def _numbers(scans: Sequence[TakenScan]) -> NDArray[np.float64]:
    numbers = np.stack([scan.raw for scan in scans])
    return np.nextafter(numbers, np.inf) if planted("value_altered") else numbers


def _qualities(scans: Sequence[TakenScan]) -> NDArray[np.int16]:
    qualities = np.stack([scan.quality for scan in scans])
    return np.zeros_like(qualities) if planted("quality_lost") else qualities
