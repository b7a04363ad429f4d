"""The b-value: how many small events there are for each large one.

Falling b means that stress rises or that rupture joins up. It is a ratio, so it needs a complete
catalogue, and many events: with fewer than fifty none is told.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EVENTS_MIN: Final = 50
LOG10_E: Final = float(np.log10(np.e))


@dataclass(frozen=True, slots=True)
class BValue:
    """A b-value with its error; NaN where there is too little to say."""

    b: float
    error: float  # One standard deviation.
    events: int  # That it rests on.


NOTHING: Final = BValue(float("nan"), float("nan"), 0)


def b_utsu(
    magnitude: NDArray[np.float64],  # [event]
    *,
    complete_from: float,
    bin_width: float,  # 0 for magnitudes that were not rounded.
    events_min: int = EVENTS_MIN,
) -> BValue:
    """B = log10(e) / (mean M - (Mc - dM/2)) (Aki 1965, Utsu 1965), error by Shi & Bolt 1982."""
    chosen = _complete(magnitude, complete_from, bin_width)
    excess = _mean_excess(chosen, complete_from)
    if len(chosen) < events_min or excess + bin_width / 2.0 <= 0.0:
        return BValue(float("nan"), float("nan"), len(chosen))
    b = LOG10_E / (excess + bin_width / 2.0)
    return BValue(b, shi_bolt_error(chosen, b), len(chosen))


def b_exact(
    magnitude: NDArray[np.float64],  # [event]
    *,
    complete_from: float,
    bin_width: float,  # Above 0.
    events_min: int = EVENTS_MIN,
) -> BValue:
    """B = ln(1 + dM / (mean M - Mc)) / (dM·ln 10): exact for binned magnitudes.

    Tinti & Mulargia 1987, BSSA 77:2125. Utsu's has a bias for wide bins, this has none.
    """
    chosen = _complete(magnitude, complete_from, bin_width)
    excess = _mean_excess(chosen, complete_from)
    if len(chosen) < events_min or excess <= 0.0:
        return BValue(float("nan"), float("nan"), len(chosen))
    b = float(np.log1p(bin_width / excess) / (bin_width * np.log(10.0)))
    return BValue(b, shi_bolt_error(chosen, b), len(chosen))


def b_positive(
    magnitude: NDArray[np.float64],  # [event] in the order of instants
    *,
    least_step: float,  # Twice the bin width at least; larger forgives more incompleteness.
    bin_width: float,
    events_min: int = EVENTS_MIN,
) -> BValue:
    """Estimate b from the steps upwards from one event to the next.

    Differences have the same distribution, and an event that is larger than the one before is not
    missed because of it: so holes after large events and blasts do no harm (van der Elst 2021,
    J. Geophys. Res. Solid Earth 126:e2020JB021027).
    """
    steps = np.diff(magnitude)
    least = round(least_step / bin_width) * bin_width if bin_width else least_step
    return (
        b_exact(steps, complete_from=least, bin_width=bin_width, events_min=events_min)
        if bin_width
        else b_utsu(steps, complete_from=least, bin_width=0.0, events_min=events_min)
    )


def shi_bolt_error(magnitude: NDArray[np.float64], b: float) -> float:
    """Standard deviation of b: 2.30·b²·sqrt(sum (M - mean)² / (N (N - 1))) (Shi & Bolt 1982)."""
    count = len(magnitude)
    scatter = float(np.sum((magnitude - magnitude.mean()) ** 2))
    return float(np.log(10.0) * b**2 * np.sqrt(scatter / (count * (count - 1))))


def _complete(
    magnitude: NDArray[np.float64], complete_from: float, bin_width: float
) -> NDArray[np.float64]:
    """Choose complete events; a magnitude in the bin of completeness belongs to it."""
    least = complete_from - (bin_width / 2.0 if bin_width else 0.0)
    return magnitude[magnitude >= least - 1e-9]


def _mean_excess(chosen: NDArray[np.float64], complete_from: float) -> float:
    return float(chosen.mean() - complete_from) if len(chosen) else 0.0
