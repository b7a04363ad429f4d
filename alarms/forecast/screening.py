"""Which channels gain speed? A cheap look at blocks before anything is fitted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.blocks import Blocks
from alarms.forecast.settings import ForecastSettings

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Pace:
    """How a window's newest blocks move."""

    enough: NDArray[np.bool_]  # [channel] usable blocks, one of the newest two among them
    moving: NDArray[np.bool_]  # [channel] further than the noise
    gaining: NDArray[np.bool_]  # [channel] the short mean velocity above the long one
    losing: NDArray[np.bool_]  # [channel] below it
    velocity: Floats  # [channel] over the short stretch, per bin; NaN where it is not known
    doubt: Floats  # [channel] how much of that noise can make

    def has_turned(self, finer: "Pace", settings: ForecastSettings) -> NDArray[np.bool_]:
        """Does a finer look show that the newest movement is slower, and not faster, than this?

        In an acceleration that lasts, the shorter the newest stretch the faster it is. Where it
        is slower the slope has turned, though the mean of a longer stretch still grows.
        """
        direction = np.sign(self.velocity)
        here, newest = direction * self.velocity, direction * finer.velocity
        slower = newest * settings.gain_min < here
        return slower & (here - newest > self.doubt + finer.doubt)


def pace_of(blocks: Blocks, noise: Floats, settings: ForecastSettings) -> Pace:
    """Compare the mean velocity over a short newest stretch with that over a long one.

    Both are differences of means of two blocks. A channel gains speed where the short one
    exceeds the long one by `gain_min`, in the same direction, and by `gain_sigmas` of the noise.
    """
    short, long = settings.short_blocks, settings.long_blocks
    end = blocks.mean.shape[1]
    ends = [_mean(blocks, end - 2 - back, end - back) for back in (0, short, long)]
    (now, a), (before, b), (long_before, c) = ends
    known = a & b & c
    by_short, by_long = (now - before) / short, (now - long_before) / long
    sign = np.sign(by_long)
    certain = np.abs(by_short - by_long) * short > settings.gain_sigmas * noise
    faster = (sign * by_short > settings.gain_min * sign * by_long) & (by_short * by_long > 0.0)
    slower = sign * by_short * settings.gain_min < sign * by_long
    usable = (blocks.share > 0.0).sum(axis=1)
    return Pace(
        enough=(usable >= settings.blocks_min) & known,
        moving=np.abs(now - long_before) > settings.gain_sigmas * noise,
        gaining=known & certain & faster,
        losing=known & certain & slower,
        velocity=np.where(a & b, by_short / blocks.bins, np.nan),
        doubt=settings.gain_sigmas * noise / (short * blocks.bins),
    )


def _mean(blocks: Blocks, first: int, last: int) -> tuple[Floats, NDArray[np.bool_]]:
    share = blocks.share[:, first:last]
    total = share.sum(axis=1)
    mean = (share * blocks.mean[:, first:last]).sum(axis=1) / np.maximum(total, 1e-9)
    return mean, total > 0.0
