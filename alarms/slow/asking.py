"""What a slow method is asked with, and what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.forecasts import Forecasts
from alarms.slow.rules import SlowRule
from alarms.trends.means import HOUR_US, BinnedMeans
from alarms.trends.regression import Fit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Rules of one family, the means of their channels, and those of the channels beside them."""

    numbers: NDArray[np.int64]  # [rule] in the site
    rules: Sequence[SlowRule]  # [rule]
    means: BinnedMeans  # [rule, bin] all of them ended by `until_us`
    beside: Sequence[Floats]  # [rule] of [other, bin]
    until_us: int
    resolution: Floats  # [rule] NaN where not known
    fits: dict[int, Fit]  # By the rule's number in the site.

    @property
    def bin_h(self) -> float:
        """The width of a bin in hours."""
        return self.means.width_us / HOUR_US

    def __len__(self) -> int:
        return len(self.rules)


def no_facts(_rule: int) -> dict[str, Any]:
    """Say nothing beside the figure."""
    return {}


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One figure for each rule, and what else there is to say."""

    figure: Floats  # [rule] NaN where nothing can be said: a rule then stays as it was
    facts: Callable[[int], dict[str, Any]] = no_facts  # Of a rule, for evidence: JSON-able.
    fits: dict[int, Fit] = field(default_factory=dict)  # Made just now, by the rule's number.
    forecasts: Forecasts | None = None  # [rule]


def number(value: float) -> float | None:
    """Return what JSON can hold."""
    return float(value) if np.isfinite(value) else None
