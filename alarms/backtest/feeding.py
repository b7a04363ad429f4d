"""Two ways of feeding the engine with history: in the recorded order, and by event time.

The recorded order is what a recovery replays: with a site's own configurations it says exactly
what was told live. Any other configuration is held to the stored raw numbers by event time.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from alarms.backtest.event_feed import NO_SOURCES, EventFeed, event_warm_up_s
from alarms.backtest.history import StoredHistory, inputs_with_ticks, ticks_left
from alarms.engine import SiteEngine
from alarms.recurrences import fastest
from alarms.replaying.eras import Era
from alarms.replaying.recorded import from_the_beginning
from alarms.rules import RuleKind
from alarms.slow.judge import SlowJudge
from alarms.ticks import TickSchedule
from alarms.transition import CalculatedScans, Inputs, Outcome, Transition
from historian.replay import flushes_after
from telemetry.limits import ChartLimit, RateLimit
from telemetry.plan import SitePlan
from telemetry.scan import JudgedScans

WARM_UP_MIN_S: Final = 86_400.0
WARM_UP_MAX_S: Final = 90 * 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What an engine was given and what it said, at one step."""

    plan: SitePlan
    given: tuple[JudgedScans, ...]  # Calculated scans among them.
    transitions: tuple[Transition, ...]
    reached: int  # The number of the flush, or the instant, in microseconds.
    failed: tuple[tuple[str, str], ...] = ()  # Slow methods that raised, and what they raised.

    @property
    def ends_us(self) -> tuple[int, int] | None:
        """The oldest and the newest instant of what was given; None where nothing was."""
        instants = [one.judged_us for one in self.given if len(one.judged_us)]
        if not instants:
            return None
        return min(int(one.min()) for one in instants), max(int(one.max()) for one in instants)

    @property
    def readings(self) -> int:
        """How many readings were judged."""
        return sum(one.value.size for one in self.given)


async def in_recorded_order(
    connection: AsyncConnection, site_id: int, newest: Era
) -> AsyncIterator[Told]:
    """Replay all flushes of a site, each under the configuration that was in force in it."""
    replay = from_the_beginning(site_id, newest)
    async for record in flushes_after(connection, site_id, 0):
        inputs, outcome = await replay.take(connection, record)
        given = (*inputs.scans, *_as_judged(outcome.calculated))
        yield Told(replay.era.plan, given, outcome.transitions, record.flush_id)


async def by_event_time(
    history: StoredHistory, plan: SitePlan, events: EventFeed = NO_SOURCES
) -> AsyncIterator[Told]:
    """Judge stored history under a configuration, from a beginning without a past.

    Transitions of a stretch come in the order of their instants, those of one instant as the
    engine said them. Silences, and what else happened to lines, are not in the stored numbers.
    """
    engine, slow = SiteEngine(plan, recurrences=fastest()), SlowJudge(plan)
    schedule, votes = TickSchedule(plan, votes=False), TickSchedule(plan, votes=True)
    state, slow_state = engine.initial_state(), slow.initial_state()
    async for stretch in history.stretches():
        silent = history.silent_after(stretch.until_us)
        inputs = inputs_with_ticks(schedule, state, stretch, silent)
        outcomes = [engine.step(state, inputs)]
        while (more := ticks_left(schedule, state, inputs, silent)) is not None:
            outcomes.append(engine.step(state, more))
            inputs = more
        calculated = [one for of in outcomes for one in _as_judged(of.calculated)]
        beliefs = events.until(_newest_us(stretch.scans))
        failed: tuple[tuple[str, str], ...] = ()
        if len(slow.rules):
            judged = [*_as_screened(stretch.scans, outcomes[0].screened), *calculated]
            found = slow.step(slow_state, judged)
            beliefs, failed = beliefs + found.beliefs, tuple(found.failed)
        if beliefs:
            outcomes.append(engine.step(state, Inputs(beliefs=tuple(beliefs))))
        # Votes come last, so that they see what slow methods believe of the same instants.
        while ticks := votes.due(state, (), silent):
            outcomes.append(engine.step(state, Inputs(ticks=ticks)))
            calculated += _as_judged(outcomes[-1].calculated)
        yield Told(
            plan,
            (*stretch.scans, *calculated),
            _in_time(outcomes),
            stretch.until_us,
            failed,
        )


def warm_up_s(plan: SitePlan) -> float:
    """How long before a span the engine has to look, so that nothing is warming up in it.

    Long enough for rates over their windows, charts that learn what is usual, and all delays.
    """
    needed = [WARM_UP_MIN_S]
    for rule in SiteEngine(plan).rules.rules:
        if rule.kind >= RuleKind.QUALITY:
            continue
        needed.append(rule.on_delay_s + rule.off_delay_s)
        if isinstance(rule.limit, RateLimit):
            needed.append(2 * rule.limit.window_s)
        if isinstance(rule.limit, ChartLimit):
            needed.append(2 * rule.limit.learn_readings * plan.groups[rule.group].group.period_s)
    needed += [SlowJudge(plan).rules.span_us / 1e6, event_warm_up_s(plan)]
    return min(max(needed), WARM_UP_MAX_S)


def _newest_us(scans: Sequence[JudgedScans]) -> int:
    """Up to when time has come: nothing else tells, as in life."""
    return max((int(one.judged_us.max()) for one in scans if len(one.judged_us)), default=-1)


def _as_screened(
    scans: Sequence[JudgedScans], screened: Mapping[int, NDArray[np.int16]]
) -> list[JudgedScans]:
    return [
        replace(one, quality=screened[one.group]) if one.group in screened else one for one in scans
    ]


def _in_time(outcomes: Sequence[Outcome]) -> tuple[Transition, ...]:
    transitions = [one for outcome in outcomes for one in outcome.transitions]
    return tuple(sorted(transitions, key=lambda one: one.sampled_us))


def _as_judged(calculated: Sequence[CalculatedScans]) -> list[JudgedScans]:
    return [
        JudgedScans(
            group=one.group,
            sampled_us=one.at_us,
            judged_us=one.at_us,
            raw=one.value,
            value=one.value,
            quality=one.quality.astype(np.int16),
        )
        for one in calculated
    ]
