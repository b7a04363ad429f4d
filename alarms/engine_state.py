"""What the engine knows between flushes: columns over groups and rules, and the open alarms."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alarms.annunciator import Annunciator, OpenAlarm
from alarms.derivation import SourceMemory
from alarms.detectors.rate import NEVER_US

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
    memory: dict[int, SourceMemory]  # By group: what calculated channels may still need.
    annunciator: Annunciator = field(default_factory=Annunciator)
    # Alarms whose rule has left the configuration; the next step clears them.
    orphans: list[str] = field(default_factory=list)

    @property
    def alarms(self) -> dict[str, OpenAlarm]:
        """The open alarms, by occurrence."""
        return self.annunciator.alarms

    @classmethod
    def fresh(
        cls, *, groups: int, rules: int, rate_rules: int, memory: dict[int, SourceMemory]
    ) -> "EngineState":
        """Begin without a past."""
        return cls(
            first_us=np.full(groups, NEVER_US),
            newest_us=np.full(groups, NEVER_US),
            last_tick_us=np.full(groups, NEVER_US),
            silent=np.zeros(groups, dtype=np.bool_),
            clock_suspect=np.zeros(groups, dtype=np.bool_),
            violated=np.zeros(rules, dtype=np.int8),
            believed=np.zeros(rules, dtype=np.int8),
            since_us=np.full((4, rules), NEVER_US),
            anchor_us=np.full((2, rate_rules), NEVER_US),
            anchor_value=np.zeros((2, rate_rules)),
            memory=memory,
        )
