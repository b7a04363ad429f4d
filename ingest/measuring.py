"""Telling edges what to measure now, and recording what they answer.

A command goes over the line that the edge has open, or is refused at once: it is about now, so it
waits for nobody. The scan itself comes as every other does, through the spool.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from alarms.transition import Decision
from historian import actions
from historian.measurements import waiting_measurements
from historian.pools import lent
from ingest.conversation import LineParts
from ingest.desk import SiteDesk
from telemetry.frames import Answer, Measure, encode_frame

WITHIN_S: Final = 2.0
WAITING_MAX: Final = 1_000  # Without an answer; they have expired long before.

log = structlog.get_logger()


class Measuring:
    """Commands of this process's sites."""

    def __init__(
        self, pool: AsyncConnectionPool, desks: Sequence[SiteDesk], parts: LineParts
    ) -> None:
        self._pool = pool
        self._desks = desks
        self._parts = parts
        self._sent: dict[UUID, str] = {}  # And not answered yet, by the edge that was asked.
        parts.answered = self.answered

    async def look(self) -> None:
        """Send what waits; called whenever somebody asked for anything."""
        try:
            async with lent(self._pool, WITHIN_S) as conn:
                for desk in self._desks:
                    waiting = await waiting_measurements(conn, desk.ids.site_id)
                    refused = [
                        Decision(str(action_id), accepted=False, reason=reason)
                        for action_id, group in waiting
                        if action_id not in self._sent
                        and (reason := self._send(desk, action_id, group))
                    ]
                    await actions.decide(conn, refused, None)
        except psycopg.OperationalError as error:
            log.warning("nobody can be asked to measure now", reason=str(error))

    def answered(self, site: str, edge: str, answer: Answer) -> None:
        """Record what an edge says; only the one that was asked may answer."""
        if self._sent.get(answer.command) != f"{site}/{edge}":
            return
        del self._sent[answer.command]
        decision = Decision(str(answer.command), accepted=answer.done, reason=answer.remark)
        self._parts.begin(self._decide(decision))

    async def _decide(self, decision: Decision) -> None:
        try:
            async with lent(self._pool, WITHIN_S) as conn:
                await actions.decide(conn, [decision], None)
        except (psycopg.OperationalError, actions.ActionWithdrawnError) as error:
            log.warning("the answer of an edge came too late", reason=str(error))

    def _send(self, desk: SiteDesk, action_id: UUID, group: str) -> str:
        """Tell the edge; return why it can't be told, or nothing."""
        plan = desk.plan.group_by_key.get(group)
        if plan is None or plan.edge is None:
            return f"no edge measures '{group}'"
        line = self._parts.commanded.get((desk.key, plan.edge))
        if line is None:
            return (
                f"the edge '{plan.edge}' has no line to the centre now, "
                "or its program is too old to be asked"
            )
        self._sent[action_id] = f"{desk.key}/{plan.edge}"
        while len(self._sent) > WAITING_MAX:
            del self._sent[next(iter(self._sent))]
        line.tell(encode_frame(Measure(action_id, group)))
        return ""


async def measure_when_asked(measuring: Measuring, asked: asyncio.Event) -> None:
    """Look whenever somebody has asked for something."""
    while True:
        await asked.wait()
        asked.clear()
        await measuring.look()
