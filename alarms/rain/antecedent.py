"""How wet was the ground before: antecedent precipitation, the P3/P15 line, water in the soil."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.rain.intensity_duration import MM_PER_INCH
from alarms.rain.sums import rolling_sums

RECENT_H: Final = 72
BEFORE_H: Final = 360


def antecedent_precipitation(
    rain_mm: NDArray[np.float64],  # [gauge, day] NaN where missing
    *,
    kept: float,  # What of yesterday's index is left today: 0.84 to 0.9.
    first_mm: float = 0.0,
) -> NDArray[np.float64]:  # [gauge, day]
    """API_t = K·API_{t-1} + P_t (Kohler & Linsley 1951); NaN from a missing day on.

    After a missing day the index is unknown until what was missed no longer matters: it is shown
    again once of a day's rain less than a hundredth is left.

    >>> antecedent_precipitation(np.array([[10.0, 0.0, 5.0]]), kept=0.9).round(2).tolist()
    [[10.0, 9.0, 13.1]]
    """
    assert 0.0 < kept < 1.0
    forgotten_days = int(np.ceil(np.log(0.01) / np.log(kept)))
    index = np.full(rain_mm.shape[0], first_mm)
    unknown_days = np.zeros(rain_mm.shape[0], dtype=np.int64)
    shown = np.empty_like(rain_mm)
    for day in range(rain_mm.shape[1]):
        today = rain_mm[:, day]
        missing = np.isnan(today)
        unknown_days = np.where(missing, forgotten_days, np.maximum(unknown_days - 1, 0))
        index = kept * index + np.where(missing, 0.0, today)
        shown[:, day] = np.where(unknown_days > 0, np.nan, index)
    return shown


@dataclass(frozen=True, slots=True)
class RecentAndBefore:
    """The line P3 = a - b·P15 between the rain of 3 days and that of the 15 days before them."""

    intercept_mm: float = 3.5 * MM_PER_INCH
    slope: float = 0.67
    source: str = "Chleborad 2003, USGS Open-File Report 03-463 (Seattle)"

    def excess_mm(
        self,
        rain_mm: NDArray[np.float64],  # [gauge, hour] NaN where missing
        *,
        least_known: float = 0.9,  # Of either window; else nothing is said.
    ) -> NDArray[np.float64]:  # [gauge, hour]
        """Return by how much the rain of 3 days is above the line; NaN where too little is known.

        The known part of a window is a lower bound, so an excess above 0 is told however much is
        missing of the recent days.
        """
        recent = rolling_sums(rain_mm, RECENT_H)
        before = rolling_sums(rain_mm, BEFORE_H)
        earlier_mm = np.zeros_like(before.total_mm)
        earlier_mm[:, RECENT_H:] = before.total_mm[:, :-RECENT_H]
        earlier_known = np.zeros_like(before.known)
        earlier_known[:, RECENT_H:] = before.known[:, :-RECENT_H]
        excess = recent.total_mm - (self.intercept_mm - self.slope * earlier_mm)
        known = (recent.known >= least_known) & (earlier_known >= least_known)
        return np.where(known | (excess > 0.0), excess, np.nan)


@dataclass(frozen=True, slots=True)
class SoilWater:
    """Antecedent water index: water above what the soil holds against gravity.

    Below field capacity rain fills a deficit; above it water drains at a constant share.
    """

    field_capacity_m: float = 0.18
    drained_per_h: float = 0.01
    critical_m: float = 0.02
    source: str = "Godt, Baum & Chleborad 2006, ESPL 31:97"

    def index_m(
        self,
        rain_mm: NDArray[np.float64],  # [gauge, bin] NaN where missing
        *,
        bin_h: float,
        evaporation_mm_per_h: float = 0.0,
        first_m: float | None = None,
    ) -> NDArray[np.float64]:  # [gauge, bin]
        """Return the index; it begins at a dry soil, -field capacity, and is NaN where rain is.

        A missing bin counts as dry for what follows, which is a lower bound, and is shown as NaN.
        """
        start_m = -self.field_capacity_m if first_m is None else first_m
        index = np.full(rain_mm.shape[0], start_m)
        left = np.exp(-self.drained_per_h * bin_h)
        shown = np.empty_like(rain_mm)
        for column in range(rain_mm.shape[1]):
            rain_m = np.nan_to_num(rain_mm[:, column]) / 1000.0
            filled = index + rain_m - evaporation_mm_per_h * bin_h / 1000.0
            filled = np.maximum(filled, -self.field_capacity_m)
            rate_m_per_h = rain_m / bin_h
            drained = index * left + rate_m_per_h / self.drained_per_h * (1.0 - left)
            index = np.where(index < 0.0, filled, drained)
            shown[:, column] = np.where(np.isnan(rain_mm[:, column]), np.nan, index)
        return shown
