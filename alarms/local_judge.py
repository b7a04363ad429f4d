"""The engine on an edge: what its own scans say, so that a sounder needs no line to the centre.

The same engine over the same rules and the same scans as at the centre, so that an alarm has the
same name, channel/rule/onset, on both sides. What joins several edges (votes, calculated channels)
or needs long windows (trends) is not judged here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.engine import SiteEngine
from alarms.transition import AlarmKind, Inputs, Transition
from telemetry.conversion import GroupConverter
from telemetry.plan import GroupPlan, SitePlan, plan_of
from telemetry.scan import JudgedScans
from telemetry.site import Level, ScanGroup, Site
from telemetry.sounders import Sounder


@dataclass(frozen=True, slots=True)
class Reason:
    """An alarm because of which a sounder sounds."""

    occurrence: str  # As at the centre: "<channel>/<rule>/<onset in microseconds>".
    level: Level


@dataclass(slots=True)
class _Stamp:
    """The newest scan of a group: when it was judged to be, and the edge's steady clock then."""

    judged_us: int
    monotonic_us: int


class LocalJudge:
    """The rules of what one edge reads itself, and what stands by them."""

    def __init__(self, site: Site, edge: str, structures: frozenset[str]) -> None:
        """Take a checked site; only groups of these structures that the edge reads are judged."""
        self._plan = plan_of(own_part(site, edge, structures))
        self._engine = SiteEngine(self._plan)
        self._state = self._engine.initial_state()
        self._converters = {one.key: GroupConverter(one) for one in self._plan.groups}
        self._stamps: dict[str, _Stamp] = {}

    @property
    def plan(self) -> SitePlan:
        """What is judged."""
        return self._plan

    def take(
        self,
        group: str,
        *,
        sampled_us: NDArray[np.int64],  # [scan]
        monotonic_us: NDArray[np.int64],  # [scan]
        raw: NDArray[np.float64],  # [scan, slot]
        quality: NDArray[np.int16],  # [scan, slot]
        in_order: bool = True,
    ) -> tuple[Transition, ...]:
        """Judge successive scans; return what they changed. Those of other groups are passed over.

        A clock that was set back must not blind the sounder: such a scan is judged at the last
        stamp and the steady clock's difference, as the centre does it.
        """
        plan = self._plan.group_by_key.get(group)
        if plan is None:
            return ()
        instants = [
            self._instant(plan, int(at_us), int(steady_us), in_order=in_order)
            for at_us, steady_us in zip(sampled_us, monotonic_us, strict=True)
        ]
        counting = np.array([one is not None for one in instants], dtype=np.bool_)
        if not counting.any():
            return ()
        converter, width = self._converters[group], plan.slot_count
        value, judged = converter.convert(raw[counting], quality[counting])
        scans = JudgedScans(
            group=plan.index,
            sampled_us=sampled_us[counting],
            judged_us=np.array([one for one in instants if one is not None], dtype=np.int64),
            raw=converter.widen(raw[counting])[:, :width],
            value=value[:, :width],
            quality=judged[:, :width],
        )
        return self._engine.step(self._state, Inputs(scans=(scans,))).transitions

    def has_seen(self, structures: frozenset[str]) -> bool:
        """Whether anything of these structures was judged: before, nothing is known of them."""
        return any(
            one.structure.id in structures and one.key in self._stamps for one in self._plan.groups
        )

    def reasons(self, sounder: Sounder) -> tuple[Reason, ...]:
        """Why a sounder has to sound, by name; nothing where it has to be silent."""
        least = Level[sounder.from_level.upper()]
        return tuple(
            Reason(one.occurrence, one.level)
            for _, one in sorted(self._state.alarms.items())
            if one.standing
            and one.level >= least
            and one.subject.kind is AlarmKind.PROCESS
            and one.subject.structure in sounder.structures
        )

    def _instant(
        self, plan: GroupPlan, sampled_us: int, monotonic_us: int, *, in_order: bool
    ) -> int | None:
        """Say at which instant a scan is judged; None for one that is late, or comes again."""
        before = self._stamps.get(plan.key)
        judged_us = sampled_us
        if before is not None and sampled_us <= before.judged_us:
            if not in_order:
                return None
            passed_us = monotonic_us - before.monotonic_us
            # The machine was started anew: its steady clock tells nothing about the time between.
            judged_us = before.judged_us + (passed_us if passed_us > 0 else plan.period_us)
        self._stamps[plan.key] = _Stamp(judged_us, monotonic_us)
        return judged_us


def own_part(site: Site, edge: str, structures: frozenset[str]) -> Site:
    """Leave of a site only what an edge reads of some structures; ids and rules stay."""
    own = {bus.id for bus in site.buses if bus.edge == edge}
    kept = []
    for structure in site.structures:
        if structure.id not in structures:
            continue
        stations = [
            station.model_copy(
                update={
                    "scan_groups": [one for one in station.scan_groups if one.bus in own],
                    "calculated_groups": [],
                    "event_sources": [],
                }
            )
            for station in structure.stations
        ]
        kept.append(structure.model_copy(update={"stations": stations, "voting": None}))
    assert any(
        isinstance(group, ScanGroup)
        for structure in kept
        for station in structure.stations
        for group in station.scan_groups
    ), "a checked site's sounders have something to sound for"
    return site.model_copy(update={"structures": kept, "sounders": []})
