"""Seasons and days: which part of a movement comes back each year and each day?

A crack opens in winter and closes in summer, and a little with every night. What does not come
back is what matters, and it is small beside the rest; so the cycles are fitted and taken off.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.effects import AGE, CONSTANT
from alarms.trends.hydrostatic import DAY_US, YEAR_DAYS
from alarms.trends.least_squares import Floats

YEAR: Final = "year"
DAY: Final = "day"


@dataclass(frozen=True, slots=True)
class SeasonalModel:
    """Harmonics of the year and of the day, a steady movement, and drivers such as temperature.

    a0 + Σ_k (a_k sin + b_k cos)(2πk · days / 365.25) + Σ_k (c_k sin + d_k cos)(2πk · days) + e·days
    (after Mulas et al. 2020, who take the sine of the year off a crack). Days are UTC: the hour
    of the warmest moment is found by the fit. Bins must be a quarter of a day or shorter for the
    harmonics of the day to be told apart, else the fit is degenerate.
    """

    began_us: int  # Where the steady movement is 0.
    year_harmonics: int = 2
    day_harmonics: int = 2
    others: tuple[str, ...] = ()  # Names of drivers 0, 1, …
    years_min: float = 1.0  # Of record, where a year is fitted; from two on it is a season.
    days_min: float = 3.0  # Where only days are.

    @property
    def effects(self) -> tuple[str, ...]:
        """For each column what it belongs to."""
        year, day = (YEAR,) * (2 * self.year_harmonics), (DAY,) * (2 * self.day_harmonics)
        return (CONSTANT, *year, *day, AGE, *self.others)

    @property
    def span_min_us(self) -> int:
        """How long a record has to be."""
        years = self.years_min * 365 if self.year_harmonics else 0.0
        return round(max(years, self.days_min) * DAY_US)

    def columns(self, at_us: NDArray[np.int64], drivers: Floats) -> Floats:
        """Return [bin, column] from instants and drivers [bin, others]."""
        days = at_us / DAY_US
        return np.column_stack(
            [
                np.ones(len(at_us)),
                *_harmonics(days / YEAR_DAYS, self.year_harmonics),
                *_harmonics(days, self.day_harmonics),
                (at_us - self.began_us) / DAY_US,
                drivers[:, : len(self.others)],
            ]
        )


def _harmonics(turns: Floats, count: int) -> list[Floats]:
    angles = [2 * np.pi * number * turns for number in range(1, count + 1)]
    return [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
