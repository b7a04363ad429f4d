"""The edge agent: poll every bus, keep what was read, deliver it, and end in good order.

    buses -> collector -> spool -> uplink -> centre

One task per bus, one that writes, one that holds the line. Whatever fails on one of them does
not stop the others; what nobody foresaw ends the process, and its supervisor starts it again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from carriers.waiting import happens_within
from edge_agent.carriers import carrier_of
from edge_agent.collecting import Collector
from edge_agent.commands import Commands
from edge_agent.local_alarm import LocalAlarm, local_alarm_of
from edge_agent.polling import BusPolling
from edge_agent.secured_line import SecuredLine
from edge_agent.settings import EdgeSettings, SettingsError, read_token
from edge_agent.source import Keep, Source
from edge_agent.sources import check_settings, source_of
from edge_agent.spool import SpoolError
from edge_agent.storing import SpoolThread, StoreFailedError
from edge_agent.uplink import Uplink
from telemetry.clock import Clock, MachineClock, read_clock_file
from telemetry.lifetime import is_supervised, until_asked_to_stop
from telemetry.plan import EventSourcePlan, GroupPlan, SitePlan, plan_of
from telemetry.site import ScanGroup
from telemetry.site_file import SiteFileError, read_site_file
from telemetry.wire import WireError, decode_block

CLOCK_LOOK_APART_S: Final = 0.05
REMEMBERED_BLOCKS: Final = 4_096  # To know since when an alarm stands, also after a restart.
NEWEST_BLOCKS: Final = 256  # Enough to hold the last scan of every group of one edge.

log = structlog.get_logger()


def run_edge(settings: EdgeSettings) -> int:
    """Run the agent until it is asked to stop; return the exit code."""
    complaints: list[str] = []
    try:
        asyncio.run(_run_until_asked(settings))
    except* (SettingsError, SiteFileError, SpoolError) as errors:
        complaints = _sentences(errors)
    for complaint in complaints:
        log.error("edge agent cannot run", reason=complaint)
    return 1 if complaints else 0


async def run(settings: EdgeSettings, stop: asyncio.Event) -> None:
    """Run the agent until told to stop, then write and deliver what is left."""
    plan = plan_of(read_site_file(settings.site))
    groups = _groups_of(plan, settings.edge)
    check_settings(plan.site, settings)
    read_token(settings.token_file)  # Better to complain now than at the first connection.
    SecuredLine.of(settings).context()
    spool = SpoolThread(settings.spool, bytes_max=settings.spool_bytes_max)
    try:
        await spool.open()
        await _run_tasks(settings, plan, groups, spool, stop)
    finally:
        await spool.close()


async def _run_until_asked(settings: EdgeSettings) -> None:
    stop = asyncio.Event()
    asked = asyncio.create_task(until_asked_to_stop(is_supervised()), name="asked to stop")
    asked.add_done_callback(lambda _: stop.set())
    await asyncio.sleep(0)  # From here on it listens.
    try:
        await run(settings, stop)
    finally:
        asked.cancel()


async def _run_tasks(
    settings: EdgeSettings,
    plan: SitePlan,
    groups: Sequence[GroupPlan],
    spool: SpoolThread,
    stop: asyncio.Event,
) -> None:
    site = plan.site.site
    commands = Commands()
    carrier, edge = carrier_of(settings, site), settings.edge
    uplink = Uplink(carrier=carrier, site=site, edge=edge, spool=spool, measure=commands.measure)
    told = uplink.appended
    collector = Collector(site, groups, spool, collect_s=settings.collect_s, appended=told)
    newest_us: dict[str, int] = {}
    sounding = local_alarm_of(plan, settings.edge, keep_events=collector.keep_events)
    with suppress(StoreFailedError):  # Better an instant taken twice than none.
        newest_us = _newest_of(await spool.newest(NEWEST_BLOCKS))
        if sounding is not None:
            sounding.remember(await spool.newest(REMEMBERED_BLOCKS))
    finish = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        line = tasks.create_task(uplink.run(), name="uplink")
        collecting = tasks.create_task(collector.run(finish), name="collect")
        await _poll(settings, plan, groups, collector, sounding, commands, newest_us, stop)
        finish.set()
        await asyncio.wait([collecting])
        await _drain(spool, uplink, settings.drain_s)
        await uplink.finish()
        line.cancel()  # It may be in the middle of connecting.
    log.info("edge agent stopped", edge=settings.edge)


async def _drain(spool: SpoolThread, uplink: Uplink, within_s: float) -> None:
    """Give what is still in the spool a last while to be delivered."""
    try:
        async with asyncio.timeout(within_s):
            if not await spool.is_delivered():
                await uplink.wait_until_drained()
    except (TimeoutError, StoreFailedError):
        log.warning("stopped with blocks undelivered; they wait in the spool")


async def _poll(
    settings: EdgeSettings,
    plan: SitePlan,
    groups: Sequence[GroupPlan],
    collector: Collector,
    sounding: LocalAlarm | None,
    commands: Commands,
    newest_us: Mapping[str, int],
    stop: asyncio.Event,
) -> None:
    """Take what every bus of the edge gives until told to stop."""
    keep = collector.keep if sounding is None else sounding.before(collector.keep)
    sources = _sources_of(settings, plan, groups, keep, collector)
    polling = [one for one in sources if isinstance(one, BusPolling)]
    for one in polling:
        commands.offer(one.groups, one.measure)
    if sounding is not None:
        sounding.share({one.source_id: one.line for one in polling})
    try:
        await asyncio.gather(*(source.warm_up() for source in sources))
        log.info("edge agent ready", edge=settings.edge, groups=len(groups), buses=len(sources))
        started = await _wait_for_clock(settings.clock, stop)
        if started is not None:
            clock, begin_us = started
            await _take(sources, sounding, clock, stop, begin_us=begin_us, newest_us=newest_us)
    finally:  # Also when the clock never came: the device would go on holding the line open.
        for source in sources:
            source.close()


def _sources_of(
    settings: EdgeSettings,
    plan: SitePlan,
    groups: Sequence[GroupPlan],
    keep: Keep,
    collector: Collector,
) -> list[Source]:
    """Make a source for every bus of the edge that something is read from."""
    of_bus: dict[str, list[GroupPlan]] = {}
    for one in groups:
        if isinstance(one.group, ScanGroup):
            of_bus.setdefault(one.group.bus, []).append(one)
    events_of_bus: dict[str, list[EventSourcePlan]] = {}
    for telling in plan.event_sources_of_edge(settings.edge):
        events_of_bus.setdefault(telling.source.bus, []).append(telling)
    # A bus may wait in the site file for its first group.
    buses = [bus for bus in plan.site.buses if bus.id in of_bus or bus.id in events_of_bus]
    return [
        source_of(
            bus,
            of_bus.get(bus.id, []),
            event_sources=events_of_bus.get(bus.id, []),
            site=plan.site.site,
            settings=settings,
            keep=keep,
            keep_aside=collector.keep_aside,
            keep_events=collector.keep_events,
        )
        for bus in buses
    ]


async def _take(
    sources: Sequence[Source],
    sounding: LocalAlarm | None,
    clock: Clock,
    stop: asyncio.Event,
    *,
    begin_us: int,
    newest_us: Mapping[str, int],
) -> None:
    async with asyncio.TaskGroup() as tasks:
        if sounding is not None:
            tasks.create_task(sounding.run(clock, stop), name="sounders")
        for source in sources:
            tasks.create_task(
                source.run(clock, stop, begin_us=begin_us, newest_us=newest_us),
                name=f"take {source.source_id}",
            )


def _groups_of(plan: SitePlan, edge: str) -> tuple[GroupPlan, ...]:
    groups = plan.groups_of_edge(edge)
    if not groups and not plan.event_sources_of_edge(edge):
        edges = sorted({bus.edge for bus in plan.site.buses})
        raise SettingsError(
            f"The site file gives the edge '{edge}' nothing to read; it knows {', '.join(edges)}."
        )
    return groups


def _sentences(errors: ExceptionGroup[Exception]) -> list[str]:
    sentences: list[str] = []
    for error in errors.exceptions:
        if isinstance(error, ExceptionGroup):
            sentences += _sentences(error)
        else:
            sentences.append(str(error))
    return sentences


def _newest_of(contents: Sequence[bytes]) -> dict[str, int]:
    """Find each group's last instant in the spool, so that no instant is taken twice."""
    newest: dict[str, int] = {}
    for content in contents:
        with suppress(WireError):  # A damaged block is the centre's to quarantine.
            block = decode_block(content)
            last_us = int(block.sampled_us.max())
            newest[block.group] = max(last_us, newest.get(block.group, last_us))
    return newest


async def _wait_for_clock(path: Path | None, stop: asyncio.Event) -> tuple[Clock, int] | None:
    """Wait for the clock; return it and the instant after which scans begin.

    The machine's is there at once, a scenario's when the demonstration has set it going.
    """
    if path is None:
        machine = MachineClock()
        return machine, machine.now_us()
    while not stop.is_set():
        with suppress(FileNotFoundError):
            clock = read_clock_file(path)
            return clock, clock.began_us
        await happens_within(stop, CLOCK_LOOK_APART_S)
    return None
