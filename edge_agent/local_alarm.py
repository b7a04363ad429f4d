"""The sounders of an edge: driven by what it reads itself, whatever becomes of the line.

The only place in the whole program that writes to the field, and only to the coils that the site
file names as sounders. Each sounder has a task of its own, which brings the coil to where it has
to be, proves it by reading back, looks again every few seconds, and tells the centre of it.

1. Nothing is written before something of the sounder's structures has been judged.
2. What sounds goes on sounding while readings are missing: silence never clears an alarm.
3. When the agent stops, a coil stays as it is: an update must not end a warning.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from alarms.local_judge import LocalJudge, Reason
from carriers.waiting import happens_within
from edge_agent.framing import Question
from edge_agent.modbus import Bus, ReadFailedError, Request
from edge_agent.registers import Stretch
from edge_agent.sounding_events import sounding_events
from edge_agent.source import Keep, KeepEvents, TakenEvents, TakenScan
from telemetry.clock import Clock
from telemetry.plan import SitePlan
from telemetry.register import Register
from telemetry.site import Bus as BusPart
from telemetry.site import Site
from telemetry.sounders import Sounder
from telemetry.wire import WireError, decode_block

WRITE_TIMEOUT_S: Final = 0.5  # Then it is tried again; two seconds are promised.
RETRY_S: Final = 0.5
LOOK_AGAIN_S: Final = 5.0  # A unit that lost its power has forgotten its coils.
PROOF_S: Final = 1.0  # A relay takes its time before it can be read back.
PROOF_LOOK_APART_S: Final = 0.1

log = structlog.get_logger()


class LocalAlarm:
    """What an edge judges by itself, and the sounders that follow from it."""

    def __init__(
        self,
        plan: SitePlan,
        edge: str,
        *,
        keep_events: KeepEvents,
    ) -> None:
        """Take a checked site that has sounders of this edge."""
        sounders = sounders_of(plan, edge)
        structures = frozenset(one for sounder in sounders for one in sounder.structures)
        self._judge: LocalJudge | None = LocalJudge(plan.site, edge, structures)
        self._layouts = {one.key: one.layout for one in self._judge.plan.groups}
        self._lines = {bus.id: Bus(bus.modbus) for bus in _buses_of(plan.site, sounders)}
        self._tcp = {bus.id for bus in plan.site.buses if bus.modbus_tcp is not None}
        self._drives = [
            SounderDrive(one, self._lines, site=plan.site.site, keep_events=keep_events)
            for one in sounders
        ]

    def share(self, lines: Mapping[str, Bus]) -> None:
        """Use the lines of the polling where a second one would disturb it.

        A Modbus TCP device tells its callers apart, so a sounder there never waits for anybody.
        """
        shared = {name: line for name, line in lines.items() if name not in self._tcp}
        self._lines |= {name: shared[name] for name in self._lines.keys() & shared.keys()}

    def before(self, keep: Keep) -> Keep:
        """Judge each scan as it is taken, and hand it on."""

        def judged(scan: TakenScan) -> None:
            keep(scan)
            self.take(scan)

        return judged

    def take(self, scan: TakenScan) -> None:
        """Judge a scan that was just taken."""
        self._take(
            scan.plan.key,
            sampled_us=np.array([scan.sampled_us]),
            monotonic_us=np.array([scan.monotonic_us]),
            raw=scan.raw[np.newaxis, :],
            quality=scan.quality[np.newaxis, :],
            in_order=scan.in_order,
        )
        self._set_wanted()

    def remember(self, contents: Sequence[bytes]) -> None:
        """Judge what the spool holds, newest first, so that a restart forgets no alarm."""
        for content in reversed(contents):
            with suppress(WireError):  # Events, or a damaged block: no scans to judge.
                block = decode_block(content)
                if self._layouts.get(block.group) == block.layout:  # Else its slots mean others.
                    self._take(
                        block.group,
                        sampled_us=block.sampled_us,
                        monotonic_us=block.monotonic_us,
                        raw=block.raw,
                        quality=block.quality,
                        in_order=block.in_order,
                    )
        self._set_wanted()

    def _take(
        self,
        group: str,
        *,
        sampled_us: NDArray[np.int64],  # [scan]
        monotonic_us: NDArray[np.int64],  # [scan]
        raw: NDArray[np.float64],  # [scan, slot]
        quality: NDArray[np.int16],  # [scan, slot]
        in_order: bool,
    ) -> None:
        """Judge scans; what nobody foresaw in a rule must not stop the polling."""
        if self._judge is None:
            return
        try:
            self._judge.take(
                group,
                sampled_us=sampled_us,
                monotonic_us=monotonic_us,
                raw=raw,
                quality=quality,
                in_order=in_order,
            )
        except Exception as error:  # Whatever it is, the scans go on to the centre.
            log.exception("sounders are driven no more: the engine failed")
            self._judge = None
            for drive in self._drives:
                drive.give_up(f"the rules of the edge cannot be judged: {error!r}")

    async def run(self, clock: Clock, stop: asyncio.Event) -> None:
        """Drive every sounder until told to stop."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for drive in self._drives:
                    tasks.create_task(drive.run(clock, stop), name=f"sounder {drive.sounder.id}")
        finally:
            for line in self._lines.values():
                line.close()

    def _set_wanted(self) -> None:
        if self._judge is None:
            return
        for drive in self._drives:
            if self._judge.has_seen(frozenset(drive.sounder.structures)):
                drive.want(self._judge.reasons(drive.sounder))


class SounderDrive:
    """One sounder: where its coil has to be, and whether it is there."""

    def __init__(
        self, sounder: Sounder, lines: Mapping[str, Bus], *, site: str, keep_events: KeepEvents
    ) -> None:
        self.sounder = sounder
        self.wanted: tuple[Reason, ...] | None = None  # None: not known yet; empty: silent.
        self._lines = lines
        self._site = site
        self._keep_events = keep_events
        self._changed = asyncio.Event()
        self._sounded_for: dict[str, Reason] = {}  # As told since it was switched on.
        self._obeys: bool | None = None  # As last told; None before it was ever looked at.
        self._broken: str | None = None  # Why nothing can be known of alarms any more.
        self._log = log.bind(sounder=sounder.id)

    def want(self, reasons: tuple[Reason, ...]) -> None:
        """Learn because of which alarms it has to sound."""
        if reasons != self.wanted:
            self.wanted = reasons
            self._changed.set()

    def give_up(self, reason: str) -> None:
        """Leave the coil as it is, because nothing can be judged any more, and say so."""
        self._broken = reason
        self._changed.set()

    async def run(self, clock: Clock, stop: asyncio.Event) -> None:
        """Bring the coil to where it has to be, again and again."""
        stopping = asyncio.create_task(self._wake_at(stop), name="stop")
        try:
            while not stop.is_set():
                self._changed.clear()
                failure = self._broken or await self._bring()
                self._tell(clock, failure)
                pause_s = RETRY_S if failure is not None else LOOK_AGAIN_S
                await happens_within(self._changed, pause_s)
        finally:
            stopping.cancel()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._changed.set()

    async def _bring(self) -> str | None:
        """Bring the coil to where it has to be; return why it is not there."""
        try:
            if self.wanted is None:
                await self._read(self.sounder.coil)
                return None
            on = bool(self.wanted)
            if await self._read_or_none(self.sounder.coil) != on:
                await self._lines[self.sounder.bus].ask(
                    _write(self.sounder, on=on), WRITE_TIMEOUT_S
                )
            return await self._prove(on)
        except ReadFailedError as error:
            return str(error)

    async def _prove(self, on: bool) -> str | None:
        """Read back whether it does as it was told."""
        where = self.sounder.read_back or self.sounder.coil
        for _ in range(round(PROOF_S / PROOF_LOOK_APART_S)):
            if await self._read(where) == on:
                return None
            await asyncio.sleep(PROOF_LOOK_APART_S)
        said = "sounding" if on else "silent"
        return f"the unit took the order, but does not read back as {said}"

    async def _read_or_none(self, register: Register) -> bool | None:
        """Read a bit; None where it cannot be read: it is written all the same."""
        with suppress(ReadFailedError):
            return await self._read(register)
        return None

    async def _read(self, register: Register) -> bool:
        stretch = Stretch(register.table, register.address, 1)
        words = await self._lines[self.sounder.bus].read(
            stretch, device_id=self.sounder.device_id, timeout_s=WRITE_TIMEOUT_S
        )
        return bool(words[0])

    def _tell(self, clock: Clock, failure: str | None) -> None:
        """Tell the centre, and the log, what is new; each failure once."""
        obeys = failure is None
        if obeys != self._obeys and failure is not None:
            self._log.error("the sounder does not obey", reason=failure)
            self._report(clock, "failed", reason=failure)
        elif obeys != self._obeys:
            self._log.info("the sounder obeys")
            self._report(clock, "ready")
        self._obeys = obeys
        if failure is not None or self.wanted is None:
            return
        new = [one for one in self.wanted if one.occurrence not in self._sounded_for]
        if new:
            self._log.warning("the sounder sounds", alarms=[one.occurrence for one in new])
            self._report(clock, "on", reasons=new)
            self._sounded_for |= {one.occurrence: one for one in new}
        elif not self.wanted and self._sounded_for:
            self._log.warning("the sounder is silent again")
            self._report(clock, "off", reasons=list(self._sounded_for.values()))
            self._sounded_for = {}

    def _report(
        self, clock: Clock, what: str, *, reasons: Sequence[Reason] = (), reason: str = ""
    ) -> None:
        block = sounding_events(
            self._site, self.sounder.id, clock.now_us(), what, reasons=reasons, reason=reason
        )
        self._keep_events(TakenEvents(block, kept=lambda: None))


def local_alarm_of(plan: SitePlan, edge: str, *, keep_events: KeepEvents) -> LocalAlarm | None:
    """Make the local alarm of an edge; None where it drives no sounder."""
    if not sounders_of(plan, edge):
        return None
    return LocalAlarm(plan, edge, keep_events=keep_events)


def sounders_of(plan: SitePlan, edge: str) -> tuple[Sounder, ...]:
    """The sounders that an edge drives."""
    return tuple(one.sounder for one in plan.sounders if one.edge == edge)


def _buses_of(site: Site, sounders: Sequence[Sounder]) -> list[BusPart]:
    needed = {one.bus for one in sounders}
    return [bus for bus in site.buses if bus.id in needed]


def _write(sounder: Sounder, *, on: bool) -> Request:
    """The order to a sounder's coil: the only write of the whole program."""
    address, unit = sounder.coil.address, sounder.device_id
    return Request(
        Question.about_coil(address, unit, on=on),
        lambda client: client.write_coil(address, on, device_id=unit),
        f"the write of coil {address}",
    )
