"""What the engine knows between flushes: columns over groups and rules, and the open alarms."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alarms.annunciator import Annunciator, OpenAlarm
from alarms.derivation import SourceMemory
from alarms.detectors.rate import NEVER_US
from alarms.rules import RuleColumns, RuleKind
from alarms.screening import ScreenStates
from alarms.vote_memory import VoteMemory

__all__ = ["NEVER_US", "EngineState"]


@dataclass(slots=True, eq=False)
class EngineState:
    """Everything that a site's past means for its future; a step changes it in place."""

    first_us: NDArray[np.int64]  # [group] its first scan, NEVER_US before that
    newest_us: NDArray[np.int64]  # [group] its newest scan or tick
    last_tick_us: NDArray[np.int64]  # [group] of calculated groups
    silent: NDArray[np.bool_]  # [group]
    clock_suspect: NDArray[np.bool_]  # [group]
    violated: NDArray[np.int8]  # [rule] the level that the newest reading violates
    believed: NDArray[np.int8]  # [rule] the level that has outlasted its delay
    since_us: NDArray[np.int64]  # [level, rule] since when a level is, or is not, violated
    anchor_us: NDArray[np.int64]  # [2, rate rule] see `alarms.detectors.rate`
    anchor_value: NDArray[np.float64]  # [2, rate rule]
    recent: NDArray[np.uint16]  # [level, confirming rule] see `alarms.detectors.confirmation`
    recent_us: NDArray[np.int64]  # [confirming rule] the newest reading that counts
    # Control charts: see their detectors.
    chart_us: NDArray[np.int64]  # [chart] the newest reading
    statistic: NDArray[np.float64]  # [chart] a smoothed mean, or a sum
    fading: NDArray[np.float64]  # [EWMA chart]
    seen_count: NDArray[np.float64]  # [Page-Hinkley chart]
    seen_mean: NDArray[np.float64]  # [Page-Hinkley chart]
    learned_count: NDArray[np.float64]  # [learning chart]
    learned_mean: NDArray[np.float64]  # [learning chart]
    learned_square: NDArray[np.float64]  # [learning chart]
    screens: ScreenStates
    memory: dict[int, SourceMemory]  # By group: what calculated channels may still need.
    annunciator: Annunciator = field(default_factory=Annunciator)
    votes: VoteMemory = field(default_factory=VoteMemory)
    # Alarms whose rule has left the configuration; the next step clears them.
    orphans: list[str] = field(default_factory=list)

    @property
    def alarms(self) -> dict[str, OpenAlarm]:
        """The open alarms, by occurrence."""
        return self.annunciator.alarms

    @classmethod
    def fresh(
        cls,
        rules: RuleColumns,
        *,
        groups: int,
        screens: ScreenStates,
        memory: dict[int, SourceMemory],
    ) -> "EngineState":
        """Begin without a past."""
        rates, charts = rules.count(RuleKind.RATE), len(rules.charts)
        seen, learners = rules.count(RuleKind.PAGE_HINKLEY), len(rules.charts.learn_readings)
        return cls(
            first_us=np.full(groups, NEVER_US),
            newest_us=np.full(groups, NEVER_US),
            last_tick_us=np.full(groups, NEVER_US),
            silent=np.zeros(groups, dtype=np.bool_),
            clock_suspect=np.zeros(groups, dtype=np.bool_),
            violated=np.zeros(len(rules), dtype=np.int8),
            believed=np.zeros(len(rules), dtype=np.int8),
            since_us=np.full((4, len(rules)), NEVER_US),
            anchor_us=np.full((2, rates), NEVER_US),
            anchor_value=np.zeros((2, rates)),
            recent=np.zeros((4, len(rules.confirms)), dtype=np.uint16),
            recent_us=np.full(len(rules.confirms), NEVER_US),
            chart_us=np.full(charts, NEVER_US),
            statistic=np.zeros(charts),
            fading=np.ones(rules.count(RuleKind.EWMA)),
            seen_count=np.zeros(seen),
            seen_mean=np.zeros(seen),
            learned_count=np.zeros(learners),
            learned_mean=np.zeros(learners),
            learned_square=np.zeros(learners),
            screens=screens,
            memory=memory,
        )
