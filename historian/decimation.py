"""Fewer points for the same picture: minimum and maximum of each stretch of time.

What a chart must not lose are the extremes, because they are what an alarm is about, and the
places where nothing is known, because a line drawn across them would be a claim.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.quality import Quality


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Readings of one channel in the order of time; NaN where nothing may be concluded."""

    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int16]

    def __len__(self) -> int:
        """How many points there are."""
        return len(self.time_us)

    def chosen(self, points: NDArray[np.intp]) -> "Series":
        """Take some of the points."""
        return Series(self.time_us[points], self.value[points], self.quality[points])


EMPTY = Series(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.int16))


def join(parts: list[Series]) -> Series:
    """Put series one after the other."""
    return Series(
        np.concatenate([EMPTY.time_us, *(part.time_us for part in parts)]),
        np.concatenate([EMPTY.value, *(part.value for part in parts)]),
        np.concatenate([EMPTY.quality, *(part.quality for part in parts)]),
    )


def break_gaps(series: Series, longest_us: int) -> Series:
    """Put a NaN into every stretch longer than that in which no reading came."""
    gaps = np.flatnonzero(np.diff(series.time_us) > longest_us)
    if not len(gaps):
        return series
    # Half-way: the mark then falls between its neighbours, however the points are thinned out.
    middle_us = (series.time_us[gaps] + series.time_us[gaps + 1]) // 2
    return Series(
        np.insert(series.time_us, gaps + 1, middle_us),
        np.insert(series.value, gaps + 1, np.nan),
        np.insert(series.quality, gaps + 1, np.int16(Quality.NO_VALUE)),
    )


def decimate(series: Series, points: int, span_us: range) -> Series:
    """Keep at most so many points: the first, the last, and of each stretch the extremes.

    The span is cut into equal stretches. Of each, the lowest and the highest reading stay and,
    if something is missing in it, one NaN. A series that is short enough stays as it is. What
    has been decimated may be joined to more and decimated again over the same span.
    """
    if points < 2:
        raise ValueError(f"a history has at least its first and its last point, not {points}")
    if len(series) <= points:
        return series
    # Two points a stretch where nothing is missing; room for the NaN only where it is needed.
    for per_stretch in (2, 3):
        kept = _extremes(series, (points - 2) // per_stretch, span_us)
        if len(kept) <= points:
            break
    return series.chosen(kept)


def _extremes(series: Series, stretches: int, span_us: range) -> NDArray[np.intp]:
    """Choose the points that stay, in the order of time."""
    last = len(series) - 1
    ends = np.array([0, last], np.intp)
    if stretches == 0:
        return ends
    stretch_us = max(-(-len(span_us) // stretches), 1)  # Rounded up.
    stretch = np.clip((series.time_us - span_us.start) // stretch_us, 0, stretches - 1)
    missing = np.isnan(series.value)
    # Sorted by stretch and then by value, a stretch's extremes are its two ends; NaN sorts last.
    known = np.flatnonzero(~missing)
    order = known[np.lexsort((series.value[known], stretch[known]))]
    borders = np.flatnonzero(np.diff(stretch[order])) + 1
    lowest = order[np.concatenate([[0], borders])] if len(order) else order
    highest = order[np.concatenate([borders - 1, [len(order) - 1]])] if len(order) else order
    unknown = np.flatnonzero(missing)
    marks = unknown[np.unique(stretch[unknown], return_index=True)[1]]
    return np.unique(np.concatenate([ends, lowest, highest, marks]))
