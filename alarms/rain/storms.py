"""Where does a storm begin, how long has it lasted, and how much has it brought?

A storm begins with the first rain after a dry stretch and goes on until it has been dry for as
long again: three hours in the work for Seattle (Godt, Baum & Chleborad 2006, Earth Surface
Processes and Landforms 31:97).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Storms:
    """The storm that each bin belongs to, as far as it has come."""

    in_storm: NDArray[np.bool_]  # [gauge, bin]
    begin: NDArray[np.int64]  # [gauge, bin] the bin in which it began; -1 outside storms
    bins: NDArray[np.int64]  # [gauge, bin] how long it has lasted, its last dry bins included
    depth_mm: NDArray[np.float64]  # [gauge, bin] what is known to have fallen
    is_whole: NDArray[np.bool_]  # [gauge, bin] no bin of it is missing


def storms_of(
    rain_mm: NDArray[np.float64],  # [gauge, bin] NaN where missing
    *,
    break_bins: int,  # So many dry bins in a row end a storm.
    wet_mm: float = 0.0,  # A bin with more than this is wet.
) -> Storms:
    """Separate storms; a missing bin is neither wet nor dry, so it ends none.

    >>> storms = storms_of(np.array([[0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 3.0]]), break_bins=2)
    >>> storms.begin.tolist(), storms.depth_mm.tolist()
    ([[-1, 1, 1, 1, 1, -1, 6]], [[0.0, 2.0, 2.0, 3.0, 3.0, 0.0, 3.0]])
    """
    assert break_bins > 0
    missing = np.isnan(rain_mm)
    wet = ~missing & (rain_mm > wet_mm)
    dry = ~missing & ~wet
    number = np.broadcast_to(np.arange(rain_mm.shape[1]), rain_mm.shape)
    # Dry bins since the last wet one, by counting dry bins over everything.
    dry_so_far = np.cumsum(dry, axis=1)
    last_wet = np.maximum.accumulate(np.where(wet, number, -1), axis=1)
    at_last_wet = np.take_along_axis(dry_so_far, np.maximum(last_wet, 0), axis=1)
    in_storm = (last_wet >= 0) & (dry_so_far - at_last_wet < break_bins)
    before = np.zeros_like(in_storm)
    before[:, 1:] = in_storm[:, :-1]
    begin = np.maximum.accumulate(np.where(wet & ~before, number, -1), axis=1)
    begin = np.where(in_storm, begin, -1)
    first = np.maximum(begin, 0)
    return Storms(
        in_storm=in_storm,
        begin=begin,
        bins=np.where(in_storm, number - begin + 1, 0),
        depth_mm=_since(first, np.where(missing, 0.0, rain_mm), in_storm),
        is_whole=_since(first, missing.astype(np.float64), in_storm) == 0.0,
    )


def _since(
    first: NDArray[np.int64], amount: NDArray[np.float64], in_storm: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Add up from the first bin of each storm on, and nothing outside storms."""
    added = np.cumsum(amount, axis=1)
    before = np.zeros_like(added)
    before[:, 1:] = added[:, :-1]
    return np.where(in_storm, added - np.take_along_axis(before, first, axis=1), 0.0)
