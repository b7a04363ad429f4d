"""The slow tier: follows the flushes, and lays down what slow rules come to believe.

In a task and transactions of its own, with its own cursor in `flush_id`: a flush never waits for
it. It reads scans that are committed, so it sees what everybody sees, and after a restart it goes
on from its checkpoint: what it then says a second time is no second belief, because its words
follow from the scans alone. The next flush takes beliefs as inputs (decision record 0017).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from psycopg import AsyncConnection

from alarms.slow.evidence import unit_of
from alarms.slow.judge import SlowJudge, SlowOutcome
from alarms.slow.state import (
    SlowCheckpointError,
    SlowState,
    adopt,
    carried_over,
    decode_slow,
    encode_slow,
)
from alarms.slow.told_forecasts import forecast_rows
from historian.beliefs import (
    TrendRow,
    keep_only_trends,
    owns,
    read_slow_checkpoint,
    waiting_beliefs,
    write_beliefs,
    write_slow_checkpoint,
    write_trends,
)
from historian.checkpoint import Checkpoint
from historian.connection import hung_up_after
from historian.forecasts import write_forecasts
from historian.judged_history import scans_of_flushes, scans_of_span
from historian.measured_history import MeasuredScans
from ingest import metrics
from ingest.desk import SiteDesk
from ingest.following import follow
from telemetry.clock import Clock, real_monotonic_s
from telemetry.scan import JudgedScans, as_wide_as, joined

# A restart judges at most so much once more. What takes long to write is written less often, so
# that no more than a twentieth of the time goes into it.
SAVE_EVERY_S = 5.0
SAVE_APART = 20.0  # Times as long as it took.
ANSWER_WITHIN_S = 120.0  # Of reading a stretch, or of filling a day.
US = 1_000_000

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Follower:
    """One site, and how far it has been followed."""

    desk: SiteDesk
    judge: SlowJudge
    groups: dict[int, int]  # Group ids in the store, and their indices in the plan.
    state: SlowState
    flush_id: int = 0
    saved_flush_id: int = 0
    save_s: float = field(default=-np.inf)  # When it is to be written next.


class SlowTier:
    """Follows the sites of one ingest process that have slow rules."""

    def __init__(
        self, dsn: str, desks: Sequence[SiteDesk], clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._dsn = dsn
        self._clock = clock
        self._wake = wake
        judges = [(desk, SlowJudge(desk.plan)) for desk in desks]
        self._followers: dict[str, _Follower] = {}
        self._watched = [(desk, judge) for desk, judge in judges if len(judge.rules)]
        for desk, _ in self._watched:
            metrics.SLOW_TIER_BEHIND.labels(desk.key).set(np.nan)  # Not known before a look.

    async def run(self) -> None:
        """Follow until cancelled, if any site has slow rules."""
        if self._watched:
            await follow(self._dsn, "slow tier", begin=self._followers.clear, look=self.look)

    async def look(self, conn: AsyncConnection) -> None:
        """Judge what the flushes have stored since the last look."""
        for desk, judge in self._watched:
            if desk.key not in self._followers:
                if desk.well_s is None:  # It is recovered first.
                    continue
                self._followers[desk.key] = await self._open(conn, desk, judge)
            await self._catch_up(conn, self._followers[desk.key])

    async def _open(self, conn: AsyncConnection, desk: SiteDesk, judge: SlowJudge) -> _Follower:
        """Go on from the checkpoint; under another configuration, from stored history."""
        site_id = desk.ids.site_id
        groups = {desk.ids.group_ids[one]: one for one in sorted(judge.rules.groups)}
        one = _Follower(desk, judge, groups, judge.initial_state())
        with hung_up_after(conn, ANSWER_WITHIN_S) as patience:
            kept = await read_slow_checkpoint(conn, site_id)
            await keep_only_trends(conn, site_id, judge.rules.names)
            if kept is not None and kept.version == desk.ids.version:
                try:
                    one.state = decode_slow(desk.plan, judge.rules, kept.state)
                except SlowCheckpointError as error:
                    log.warning("slow state can't be used", site=desk.key, error=str(error))
                else:
                    one.flush_id = one.saved_flush_id = kept.flush_id
                    return one
            await self._fill(conn, one, patience.renew)
        if kept is not None:
            carried_over(judge.rules, kept.state, one.state)
        adopt(judge.rules, one.state, await _told(conn, desk))
        outcome = await asyncio.to_thread(judge.ask_now, one.state)
        await self._lay_down(conn, one, outcome, one.flush_id)
        await self._save(conn, one)
        return one

    async def _fill(
        self, conn: AsyncConnection, one: _Follower, progressed: Callable[[], None]
    ) -> None:
        """Look back as far as anything looks, without judging: that past has been."""
        desk, span_us = one.desk, one.judge.rules.span_us
        one.flush_id = desk.flush_id
        newest = [int(desk.state.newest_us[group]) for group in one.groups.values()]
        if not newest or max(newest) < 0:
            return
        span = range(max(newest) - span_us, max(newest) + 1)
        async for scans in scans_of_span(
            conn, desk.ids.site_id, list(one.groups), span, one.flush_id
        ):
            progressed()
            await asyncio.to_thread(one.judge.fill, one.state, _judged(one, scans))

    async def _catch_up(self, conn: AsyncConnection, one: _Follower) -> None:
        until = one.desk.flush_id
        metrics.SLOW_TIER_BEHIND.labels(one.desk.key).set(until - one.flush_id)
        if until > one.flush_id:
            site_id, after = one.desk.ids.site_id, one.flush_id
            with hung_up_after(conn, ANSWER_WITHIN_S) as patience:
                async for last, scans in scans_of_flushes(
                    conn, site_id, list(one.groups), after, until
                ):
                    patience.renew()
                    outcome = await asyncio.to_thread(
                        one.judge.step, one.state, _judged(one, scans)
                    )
                    await self._lay_down(conn, one, outcome, last)
                    one.flush_id = last
        if one.flush_id > one.saved_flush_id and real_monotonic_s() >= one.save_s:
            await self._save(conn, one)

    async def _lay_down(
        self, conn: AsyncConnection, one: _Follower, outcome: SlowOutcome, last: int
    ) -> None:
        for method, error in outcome.failed:
            metrics.SLOW_TIER_FAILED.inc()
            log.error("a slow method failed", site=one.desk.key, method=method, error=error)
        if not outcome.asked:
            return
        site_id = one.desk.ids.site_id
        forecasts = forecast_rows(one.judge, outcome.forecasts, one.desk.ids.version)
        with hung_up_after(conn, ANSWER_WITHIN_S):
            async with conn.transaction():
                if not await owns(conn, site_id, one.desk.term):
                    return  # The flush finds out, and says so.
                await write_beliefs(conn, site_id, outcome.beliefs)
                await write_trends(conn, site_id, _rows_of(one, outcome))
                await write_forecasts(conn, site_id, forecasts, self._clock.now_us())
        if outcome.beliefs:
            metrics.BELIEFS.labels(one.desk.key).inc(len(outcome.beliefs))
            one.desk.beliefs_laid += 1
            self._wake()
        log.debug("slow tier", site=one.desk.key, flush=last, asked=len(outcome.asked))

    async def _save(self, conn: AsyncConnection, one: _Follower) -> None:
        began_s = real_monotonic_s()
        state = await asyncio.to_thread(encode_slow, one.desk.plan, one.judge.rules, one.state)
        checkpoint = Checkpoint(one.flush_id, one.desk.ids.version, state)
        with hung_up_after(conn, ANSWER_WITHIN_S):
            async with conn.transaction():
                if await owns(conn, one.desk.ids.site_id, one.desk.term):
                    await write_slow_checkpoint(
                        conn, one.desk.ids.site_id, checkpoint, self._clock.now_us()
                    )
        one.saved_flush_id, ended_s = one.flush_id, real_monotonic_s()
        one.save_s = ended_s + max(SAVE_EVERY_S, SAVE_APART * (ended_s - began_s))


async def _told(conn: AsyncConnection, desk: SiteDesk) -> dict[str, int]:
    """Which level each rule stands at, or will once the next flush has taken what waits for it."""
    told = {
        f"{alarm.subject.channel}/{alarm.subject.rule}": int(alarm.level)
        for alarm in desk.state.alarms.values()
        if alarm.standing
    }
    for _, belief in await waiting_beliefs(conn, desk.ids.site_id):
        told[f"{belief.channel}/{belief.rule}"] = belief.level
    return told


def _judged(one: _Follower, scans: Sequence[MeasuredScans]) -> list[JudgedScans]:
    """Give stored scans the shape in which they were judged."""
    found: dict[int, list[JudgedScans]] = {}
    for of_group in scans:
        group = one.groups[of_group.group_id]
        width = one.desk.plan.groups[group].slot_count
        value, quality = as_wide_as(width, of_group.raw, of_group.quality)
        found.setdefault(group, []).append(
            JudgedScans(group, of_group.time_us, of_group.judged_us, value, value, quality)
        )
    return [joined(found[group]) for group in sorted(found)]


def _rows_of(one: _Follower, outcome: SlowOutcome) -> list[TrendRow]:
    rules, state = one.judge.rules.rules, one.state
    return [
        TrendRow(
            channel=one.desk.plan.channels[rules[rule].channel].key,
            rule=rules[rule].key,
            asked_us=int(state.said_us[rule]),
            figure=float(state.figure[rule]) if np.isfinite(state.figure[rule]) else None,
            unit=unit_of(one.desk.plan, rules[rule]),
            level=int(state.believed[rule]),
        )
        for rule in sorted(outcome.asked)
    ]
