"""Ticks: when is a calculated group due?

Ticks are whole multiples of a group's period, counted from 1970, in *event time*: a tick at T
is due once every group that something is computed from has a scan at or after T, or is
excused. So without excuses the ticks follow from the readings alone, however they arrived.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.derivation import Derivation
from alarms.engine_state import NEVER_US, EngineState
from alarms.rounds import scans_in_order
from alarms.transition import Tick
from telemetry.plan import SitePlan
from telemetry.scan import JudgedScans

TICKS_AT_ONCE_MAX: Final = 10_000  # What is left is due at the next call.
EXCUSED_GAP_MAX_US: Final = 86_400_000_000  # A day without an input is not computed afterwards.
_ALWAYS_US: Final = 2**62


def ticks_of(
    ticks: Iterable[Tick], last_tick_us: NDArray[np.int64]
) -> dict[int, NDArray[np.int64]]:  # by group, [tick]
    """Sort ticks by group, without those that are not after the group's last one."""
    found: dict[int, list[int]] = {}
    for tick in ticks:
        newest = found.get(tick.group, [int(last_tick_us[tick.group])])[-1]
        if tick.at_us > newest:
            found.setdefault(tick.group, []).append(tick.at_us)
    return {group: np.array(at_us, dtype=np.int64) for group, at_us in found.items()}


class TickSchedule:
    """The calculated groups of a site, and when they are due; or the votes alone, or all others."""

    def __init__(self, plan: SitePlan, *, votes: bool | None = None) -> None:
        derivation = Derivation(plan)
        self._sources = derivation.sources
        self._order = tuple(
            group for group in derivation.order if votes in {None, plan.groups[group].voting}
        )
        self._calculated = frozenset(derivation.order)
        self._period_us = [group.period_us for group in plan.groups]

    def due(
        self,
        state: EngineState,
        scans: Sequence[JudgedScans],
        excused: NDArray[np.bool_],  # [group] need not be waited for
    ) -> tuple[Tick, ...]:
        """List the ticks that become due with a flush's scans; the state is not changed.

        They come in order of instant, and at one instant each group after those it needs.
        """
        if not self._order:
            return ()
        seen = _Seen(state, scans, excused)
        found = [
            (at_us, place, group)
            for place, group in enumerate(self._order)
            for at_us in self._due_of(group, seen)
        ]
        found.sort()
        return tuple(Tick(group, at_us) for at_us, _, group in found[:TICKS_AT_ONCE_MAX])

    def _due_of(self, group: int, seen: "_Seen") -> list[int]:
        sources = sorted(self._sources[group])
        begun = [seen.begun_us(one) for one in sources if seen.first_us[one] != NEVER_US]
        waiting = [
            one
            for one in sources
            if seen.first_us[one] == NEVER_US and not self._excused(one, seen)
        ]
        if not begun or waiting:
            return []
        period_us = self._period_us[group]
        passed_us = [self._passed_us(one, seen) for one in sources]
        until_us = min(passed_us)
        if until_us == _ALWAYS_US:  # Nobody is waited for; but what nobody saw says nothing.
            until_us = max(int(seen.newest_us[one]) for one in sources)
        last_us = int(seen.last_tick_us[group])
        if last_us == NEVER_US:
            next_us = -(-max(begun) // period_us) * period_us
        else:
            next_us = (last_us // period_us + 1) * period_us
        if self._lacks_some(group, seen) and until_us - next_us > EXCUSED_GAP_MAX_US:
            next_us = -(-(until_us - EXCUSED_GAP_MAX_US) // period_us) * period_us
        return seen.schedule(group, range(next_us, until_us + 1, period_us)[:TICKS_AT_ONCE_MAX])

    def _excused(self, group: int, seen: "_Seen") -> bool:
        """Tell whether nobody waits for a group; a calculated one follows what it needs."""
        if group not in self._calculated:
            return bool(seen.excused[group])
        return all(self._excused(source, seen) for source in self._sources[group])

    def _lacks_some(self, group: int, seen: "_Seen") -> bool:
        """Tell whether something that a group needs, at first or second hand, is excused."""
        if group not in self._calculated:
            return bool(seen.excused[group])
        return any(self._lacks_some(source, seen) for source in self._sources[group])

    def _passed_us(self, group: int, seen: "_Seen") -> int:
        """Return the instant up to which no more of a group is to be expected."""
        if self._excused(group, seen):
            return _ALWAYS_US
        if group not in self._calculated:
            return int(seen.newest_us[group])
        period_us = self._period_us[group]
        return (int(seen.last_tick_us[group]) // period_us + 1) * period_us - 1


class _Seen:
    """What will have been seen of each group after the scans, and the ticks found so far."""

    def __init__(
        self, state: EngineState, scans: Sequence[JudgedScans], excused: NDArray[np.bool_]
    ) -> None:
        self.first_us = state.first_us.copy()
        self.newest_us = state.newest_us.copy()
        self.last_tick_us = state.last_tick_us.copy()
        self.excused = excused
        self._memory = state.memory
        for one in scans_in_order(scans, state.newest_us):
            if self.first_us[one.group] == NEVER_US:
                self.first_us[one.group] = one.judged_us[0]
            self.newest_us[one.group] = one.judged_us[-1]

    def begun_us(self, group: int) -> int:
        """Return since when something can be computed from a group."""
        return max(int(self.first_us[group]), self._memory[group].horizon_us)

    def schedule(self, group: int, ticks: range) -> list[int]:
        if ticks:
            if self.first_us[group] == NEVER_US:
                self.first_us[group] = ticks[0]
            self.newest_us[group] = self.last_tick_us[group] = ticks[-1]
        return list(ticks)
