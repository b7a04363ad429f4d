"""HST: which part of a dam's reading is the water's, which the season's, and which is its age?

Hydrostatic–season–time regression: a polynomial of the level, two harmonics of the year, and two
terms of age for what does not come back. What remains, or what ages faster, is what to look at.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.effects import AGE, CONSTANT
from alarms.trends.least_squares import Floats

DAY_US: Final = 86_400_000_000
YEAR_DAYS: Final = 365.25
LEVEL: Final = "level"
SEASON: Final = "season"


@dataclass(frozen=True, slots=True)
class HydrostaticModel:
    """The columns of HST (Willm & Beaujoint 1967); the level is driver 0, others follow it.

    a0 + Σ_{k=1..4} a_k z^k + b1 sin s + b2 cos s + b3 sin² s + b4 sin s cos s + c1 θ + c2 ln(1+θ),
    z = (level - level_zero) / level_span, s = 2π · days / 365.25, θ = days since `began_us` / 100.
    """

    level_zero: float  # h0, in the level's unit; with level_span it brings z near 0 … 1.
    level_span: float  # Δh
    began_us: int  # θ = 0, at or before the first bin; before it nothing can be said.
    others: tuple[str, ...] = ()  # Names of drivers 1, 2, …: antecedent rain, an earlier level.
    level_powers: int = 4
    years_min: float = 3.0  # `domain.md` C.2: 3 to 5, or one wet year is taken for the season.

    @property
    def effects(self) -> tuple[str, ...]:
        """For each column what it belongs to."""
        level, season, age = (LEVEL,) * self.level_powers, (SEASON,) * 4, (AGE,) * 2
        return (CONSTANT, *level, *season, *age, *self.others)

    @property
    def span_min_us(self) -> int:
        """How long a record has to be."""
        return round(self.years_min * 365 * DAY_US)  # Of days: a year without a leap day is one.

    def columns(self, at_us: NDArray[np.int64], drivers: Floats) -> Floats:
        """Return [bin, column] from instants and drivers [bin, 1 + others]."""
        z = (drivers[:, 0] - self.level_zero) / self.level_span
        s = 2 * np.pi * (at_us / DAY_US) / YEAR_DAYS
        days = (at_us - self.began_us) / DAY_US
        theta = np.where(days >= 0, days, np.nan) / 100
        return np.column_stack(
            [
                np.ones(len(at_us)),
                *(z**power for power in range(1, self.level_powers + 1)),
                *(np.sin(s), np.cos(s), np.sin(s) ** 2, np.sin(s) * np.cos(s)),
                *(theta, np.log1p(theta)),
                drivers[:, 1 : 1 + len(self.others)],
            ]
        )


def hydrostatic_model(
    level: Floats,  # [bin] NaN where missing
    at_us: NDArray[np.int64],  # [bin]
    others: tuple[str, ...] = (),
) -> HydrostaticModel:
    """Scale the model by the levels of a record that it is to be fitted to."""
    known = level[np.isfinite(level)]
    zero = float(np.min(known, initial=np.inf)) if known.size else 0.0
    span = float(np.max(known)) - zero if known.size else 0.0
    began_us = int(at_us[0]) if len(at_us) else 0
    return HydrostaticModel(zero, span if span > 0 else 1.0, began_us, others)


def antecedent(
    driver: Floats,  # [bin] such as rain per bin, or a level
    bins: int,
) -> Floats:  # [bin]
    """Return the mean over each bin and those before it, NaN where one of them is missing.

    Rain that fell days ago still seeps, and a phreatic line follows the pond late: such means are
    drivers of their own.

    >>> antecedent(np.array([3.0, 0.0, 6.0, np.nan]), 2).tolist()
    [nan, 1.5, 3.0, nan]
    """
    padded = np.concatenate([np.full(bins, np.nan), driver])
    windows = np.lib.stride_tricks.sliding_window_view(padded, bins)[1:]
    return np.asarray(np.mean(windows, axis=1))
