"""Polling one bus: every group at its instants, one request at a time.

Something is written down for every instant at which we are awake: numbers, or why there are none.
Where the machine was too busy for some, the newest few are written as not read; the others are
logged and counted, and stay a hole. A unit that does not answer is left alone for longer and
longer, asked last, and waited for only as long as its neighbours' scans allow.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from carriers.waiting import happens_within
from edge_agent.exceptions import ILLEGAL_ADDRESS, TARGET_SILENT
from edge_agent.modbus import Bus, ReadFailedError
from edge_agent.registers import RegisterMap
from edge_agent.schedule import (
    Backoff,
    due_scan,
    first_instant_after,
    is_too_late,
    missed_instants,
)
from edge_agent.source import Keep, TakenScan
from telemetry.clock import Clock, MachineClock, real_monotonic_s
from telemetry.plan import GroupPlan
from telemetry.quality import Quality
from telemetry.site import Bus as BusPart
from telemetry.site import ScanGroup

UNIT_LEAST_S: Final = 0.5  # Pauses of a unit that does not answer.
UNIT_MOST_S: Final = 5.0
# Of the shortest period of a bus, what may be spent on waiting for answers in one round.
WAITING_SHARE: Final = 0.4
TIMEOUT_LEAST_S: Final = 0.05
LOOK_APART_S: Final = 1.0  # How soon a step of the wall clock is noticed.

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Polled:
    """A group of the bus, and when it is scanned next."""

    plan: GroupPlan
    map: RegisterMap
    device_id: int
    next_us: int = 0
    taken_us: int = -(1 << 62)  # The monotonic time of its newest scan.
    complaint: str | None = None  # As last logged.


class BusPolling:
    """The task of one bus."""

    def __init__(
        self,
        part: BusPart,
        groups: Sequence[GroupPlan],
        *,
        keep: Keep,
    ) -> None:
        self.source_id = part.id
        self.skipped: Counter[str] = Counter()
        self._clock: Clock = MachineClock()
        self._keep = keep
        self._address = part.modbus
        self._bus = Bus(part.modbus)
        self._polled = [
            _Polled(plan, RegisterMap(plan), plan.group.device_id)
            for plan in groups
            if isinstance(plan.group, ScanGroup) and plan.group.device_id is not None
        ]
        self._units = {one.device_id: Backoff(UNIT_LEAST_S, UNIT_MOST_S) for one in self._polled}
        self._shortest_us = min(one.plan.period_us for one in self._polled)
        self._log = log.bind(bus=part.id)
        self._asked: dict[str, list[asyncio.Future[str]]] = {}  # Groups to be measured now.
        self._wake = asyncio.Event()

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that are polled."""
        return tuple(one.plan.key for one in self._polled)

    async def measure(self, group: str) -> str:
        """Take a scan beside the schedule; return what came of it."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(group, []).append(answer)
        self._wake.set()
        return await answer

    @property
    def line(self) -> Bus:
        """The line itself, for a sounder that has to share it."""
        return self._bus

    async def warm_up(self) -> None:
        """Connect before time begins, so that the first scan is as quick as the others."""
        with suppress(ReadFailedError):  # The first scan will say it again.
            await self._bus.connect(self._address.timeout_s)

    def close(self) -> None:
        """Hang up."""
        self._bus.close()

    async def run(
        self, clock: Clock, stop: asyncio.Event, *, begin_us: int, newest_us: Mapping[str, int]
    ) -> None:
        """Scan until told to stop; begin after an instant, and after what is in the spool."""
        self._clock = clock
        self._tell_cut_timeout()
        # A group whose last scan is not among the newest blocks had its turn before them.
        alive_us = max(newest_us.values(), default=begin_us)
        for one in self._polled:
            after_us = max(begin_us, newest_us.get(one.plan.key, alive_us))
            one.next_us = first_instant_after(after_us, one.plan.period_us)
        waking = asyncio.create_task(self._wake_at(stop), name="wake")
        try:
            while await self._wait_for_next(stop):
                await self._scan_due_groups()
                await self._scan_asked()
        finally:
            waking.cancel()
            self._give_up_asked()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _scan_asked(self) -> None:
        """Take the scans that somebody has asked for; those that were just due are none of them."""
        asked, self._asked = self._asked, {}
        for one in self._polled:
            for_whom = asked.get(one.plan.key, [])
            if not for_whom:
                continue
            at_us = self._clock.now_us()
            # A scheduled instant belongs to the schedule: one scan of a group has one instant.
            at_us += at_us % one.plan.period_us == 0
            raw, quality = await self._read(one, self._waiting_s())
            monotonic_us = self._monotonic_at(at_us)
            read = int(np.count_nonzero(np.isfinite(raw[one.map.slots])))
            if monotonic_us > one.taken_us and at_us < one.next_us:
                one.taken_us = monotonic_us
                self._keep(TakenScan(one.plan, at_us, monotonic_us, raw, quality))
                said = f"{read} of {len(one.map.slots)} channels were read"
            else:
                said = "the next scan of the schedule was just due, and is the answer"
            for answer in for_whom:
                if not answer.done():
                    answer.set_result(said)

    def _give_up_asked(self) -> None:
        for answers in self._asked.values():
            for answer in answers:
                answer.cancel()

    async def _wait_for_next(self, stop: asyncio.Event) -> bool:
        """Wait until the next scan is due; false when it is time to stop."""
        while not stop.is_set():
            now_us = self._clock.now_us()
            for one in self._polled:
                due = due_scan(one.next_us, one.plan.period_us, now_us)
                one.next_us = due.at_us
                if due.skipped:
                    self.skipped[one.plan.key] += due.skipped
                    self._log.warning(
                        "scans skipped: woken too late", group=one.plan.key, scans=due.skipped
                    )
                    for at_us in missed_instants(due, one.plan.period_us):
                        self._keep_missed(one, at_us)
            wait_s = self._clock.real_s_until(min(one.next_us for one in self._polled))
            if wait_s <= 0 or self._asked:
                return True
            await happens_within(self._wake, min(wait_s, LOOK_APART_S))
            self._wake.clear()
        return False

    async def _scan_due_groups(self) -> None:
        """Take every scan that is due now; units that failed lately come last."""
        now_us = self._clock.now_us()
        due = [one for one in self._polled if one.next_us <= now_us]
        due.sort(key=lambda one: (self._units[one.device_id].failures > 0, one.next_us))
        begun_s = real_monotonic_s()
        waiting_s = self._waiting_s()
        for one in due:
            at_us = one.next_us
            if is_too_late(at_us, one.plan.period_us, self._clock.now_us()):
                continue  # Counted as skipped when the next scan is planned.
            monotonic_us = one.taken_us = self._monotonic_at(at_us)
            spent_s = real_monotonic_s() - begun_s
            raw, quality = await self._read(one, waiting_s - spent_s)
            if is_too_late(at_us, one.plan.period_us, self._clock.now_us()):
                # What was read may be the state at the next instant already.
                raw[:] = np.nan
                quality[one.map.slots] = np.maximum(quality[one.map.slots], Quality.NO_REPLY)
            one.next_us = at_us + one.plan.period_us
            self._keep(TakenScan(one.plan, at_us, monotonic_us, raw, quality))

    def _keep_missed(self, one: _Polled, at_us: int) -> None:
        """Write down that nothing was read at an instant, unless a clock has jumped over it."""
        monotonic_us = self._monotonic_at(at_us)
        if monotonic_us <= one.taken_us:
            return
        one.taken_us = monotonic_us
        raw = np.full(one.plan.slot_count, np.nan)
        quality = np.zeros(one.plan.slot_count, np.int16)
        quality[one.map.slots] = Quality.NO_REPLY
        self._keep(TakenScan(one.plan, at_us, monotonic_us, raw, quality))

    def _monotonic_at(self, at_us: int) -> int:
        """The monotonic time of a nominal instant, so that intervals are exact."""
        return self._clock.monotonic_us() - (self._clock.now_us() - at_us)

    def _tell_cut_timeout(self) -> None:
        """Say once that answers are not waited for as long as the site file asks."""
        most_s = self._waiting_s()
        asked = "timeout_s" in self._address.model_fields_set
        if asked and self._address.timeout_s > most_s:
            self._log.warning(
                "timeout_s is longer than the scans of this bus allow: answers are waited for less",
                timeout_s=self._address.timeout_s,
                waited_at_most_s=round(most_s, 3),
                shortest_period_s=self._shortest_us / 1e6,
            )

    def _waiting_s(self) -> float:
        """How long may be waited for answers in one round, in real seconds."""
        return WAITING_SHARE * self._shortest_us / 1e6 / self._clock.rate

    async def _read(
        self, one: _Polled, budget_s: float
    ) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """Read a group's registers; what cannot be read gets a quality."""
        here = one.map  # A complaint about an address may replace it for the next scan.
        words = np.zeros(here.word_count, np.uint16)
        word_quality = np.full(here.word_count, Quality.NO_REPLY, np.int16)
        if self._units[one.device_id].allows(real_monotonic_s()):
            timeout_s = max(TIMEOUT_LEAST_S, min(self._address.timeout_s, budget_s))
            complaint = await self._read_stretches(one, timeout_s, words, word_quality)
            self._tell_changes(one, complaint)
        return here.read(words, word_quality)

    async def _read_stretches(
        self,
        one: _Polled,
        timeout_s: float,
        words: NDArray[np.uint16],
        quality: NDArray[np.int16],
    ) -> str | None:
        """Fill in words and qualities; return the complaint to log, if any."""
        unit = self._units[one.device_id]
        complaint: str | None = None
        begin = 0
        for stretch in one.map.stretches:
            end = begin + stretch.words
            try:
                words[begin:end] = await self._bus.read(
                    stretch, device_id=one.device_id, timeout_s=timeout_s
                )
                quality[begin:end] = Quality.GOOD
                unit.succeeded()
            except ReadFailedError as error:
                complaint = str(error)
                if error.quality != Quality.DEVICE_ERROR or error.code == TARGET_SILENT:
                    # Nobody is there: the other stretches would only cost time.
                    quality[begin:] = error.quality
                    if error.quality != Quality.NO_CONNECTION:
                        unit.failed(real_monotonic_s())
                    return complaint
                quality[begin:end] = error.quality
                unit.succeeded()
                if error.code == ILLEGAL_ADDRESS:
                    self._stop_merging(one)
            begin = end
        return complaint

    def _stop_merging(self, one: _Polled) -> None:
        """Read around the gaps from now on: this device refuses registers it does not have."""
        exact = RegisterMap(one.plan, gap_words_max=0)
        if len(exact.stretches) > len(one.map.stretches):
            one.map = exact

    def _tell_changes(self, one: _Polled, complaint: str | None) -> None:
        if complaint is not None and one.complaint is None:
            self._log.warning("group cannot be read", group=one.plan.key, reason=complaint)
        elif complaint is None and one.complaint is not None:
            self._log.info("group is read again", group=one.plan.key)
        one.complaint = complaint
