"""Recorded flushes, one after the other, taken in by the engine that was in force in each.

This is what recovery does, and what a back-test does with a site's own configuration: the same
inputs in the same order (decision record 0002) say the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from psycopg import AsyncConnection

from alarms.engine_state import EngineState
from alarms.replaying.eras import Era, carried_over, open_era
from alarms.transition import (
    Acknowledgement,
    Belief,
    Happening,
    Inputs,
    Outcome,
    Silence,
    Tick,
)
from historian.replay import FlushRecord
from telemetry.plan import SitePlan
from telemetry.scan import JudgedScans, as_wide_as, joined

K = TypeVar("K")


@dataclass(slots=True, eq=False)
class Replay:
    """A state on its way through the recorded flushes."""

    site_id: int
    newest: Era  # What the file says now.
    era: Era  # What is in force where the state stands.
    state: EngineState
    flush_id: int = 0
    replayed: int = 0
    readings: int = 0

    async def take(self, conn: AsyncConnection, record: FlushRecord) -> tuple[Inputs, Outcome]:
        """Take one flush in, under the configuration that was in force in it."""
        for _, kind, body in record.inputs:
            if kind == "configuration" and body["version"] != self.era.version:
                before = self.era
                self.era = await open_era(conn, self.site_id, body["version"], self.newest)
                self.state = carried_over(self.state, before, self.era)
        inputs = inputs_of(record, self.era.plan, self.era.group_ids)
        outcome = self.era.engine.step(self.state, inputs)
        self.flush_id = record.flush_id
        self.replayed += 1
        self.readings += sum(one.raw.size for one in inputs.scans)
        return inputs, outcome


def from_the_beginning(site_id: int, newest: Era) -> Replay:
    """Begin without a past; the first flush says under which version it was judged."""
    unknown = Era(None, newest.plan, newest.group_ids, newest.engine)
    return Replay(site_id, newest, unknown, newest.engine.initial_state())


def inputs_of(record: FlushRecord, plan: SitePlan, group_ids: Sequence[int]) -> Inputs:
    """Put a recorded flush back into the order in which it counted."""
    index = {group_id: n for n, group_id in enumerate(group_ids)}
    bodies: dict[str, list[dict[str, Any]]] = {}
    for _, kind, body in record.inputs:
        bodies.setdefault(kind, []).append(body)
    return Inputs(
        acknowledgements=tuple(Acknowledgement(**one) for one in bodies.get("acknowledgement", ())),
        scans=_scans_of(record, plan, index),
        silences=_of_known_groups(Silence, bodies.get("silence", ()), index),
        happenings=tuple(Happening(**one) for one in bodies.get("happening", ())),
        beliefs=tuple(Belief(**one) for one in bodies.get("belief", ())),
        ticks=_of_known_groups(Tick, bodies.get("tick", ()), index),
    )


def _of_known_groups(
    kind: Callable[..., K], bodies: Sequence[dict[str, Any]], index: Mapping[int, int]
) -> tuple[K, ...]:
    """Make inputs about groups; one that has left the site file concerns nobody any more."""
    return tuple(
        kind(**{**body, "group": index[body["group"]]}) for body in bodies if body["group"] in index
    )


def _scans_of(
    record: FlushRecord, plan: SitePlan, index: Mapping[int, int]
) -> tuple[JudgedScans, ...]:
    by_group: dict[int, list[JudgedScans]] = {}
    for scans in record.scans:
        group = index.get(scans.group_id)
        if group is None:
            continue
        width = plan.groups[group].slot_count
        value, quality = as_wide_as(width, scans.value, scans.quality)
        raw, _ = as_wide_as(width, scans.raw, scans.quality)
        by_group.setdefault(group, []).append(
            JudgedScans(group, scans.time_us, scans.judged_us, raw, value, quality)
        )
    return tuple(joined(by_group[group]) for group in sorted(by_group))
