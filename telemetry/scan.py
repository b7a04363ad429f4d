"""Scans: the successive instants of one scan group, as the rows of a matrix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.quality import Quality

SLOTS_MAX = 128  # A scan group is what one device answers together; see design decision 0001.


@dataclass(frozen=True, slots=True, eq=False)
class ScanBlock:
    """Scans of one group as the edge took them: raw numbers, nothing converted or judged."""

    site: str
    group: str
    layout: int  # Which channels the slots were, as `telemetry.plan.GroupPlan.layout`.
    sampled_us: NDArray[np.int64]  # [scan] wall clock of the edge, microseconds since 1970 UTC
    monotonic_us: NDArray[np.int64]  # [scan] a clock of the edge that never steps
    raw: NDArray[np.float64]  # [scan, slot], NaN where nothing was read
    quality: NDArray[np.int16]  # [scan, slot], see `telemetry.quality.Quality`
    # False where scans come in no order that means anything (messages, files): an older stamp
    # is then *late*, and not a sign of a clock that was set back.
    in_order: bool = True

    def __post_init__(self) -> None:
        """Refuse a block whose columns do not fit together: that is a bug, not bad input."""
        scans = len(self.sampled_us)
        assert self.raw.ndim == 2
        assert self.raw.shape == self.quality.shape
        assert self.raw.shape[0] == scans == len(self.monotonic_us)
        assert self.raw.shape[1] <= SLOTS_MAX

    @property
    def reading_count(self) -> int:
        """How many readings the block holds, bad ones included."""
        return int(self.raw.size)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedScans:
    """Scans of one group that have been converted and judged, as detectors and store want them."""

    group: int  # Index into `telemetry.plan.SitePlan.groups`.
    sampled_us: NDArray[np.int64]  # [scan] what the edge said
    judged_us: NDArray[np.int64]  # [scan] the instant it is judged at; differs where clock suspect
    raw: NDArray[np.float64]  # [scan, slot]
    value: NDArray[np.float64]  # [scan, slot] in the channel's unit, NaN where bad
    quality: NDArray[np.int16]  # [scan, slot]


def as_wide_as(
    width: int, raw: NDArray[np.float64], quality: NDArray[np.int16]
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Fit arrays of an older layout to the plan: new slots have no value yet."""
    missing = width - raw.shape[1]
    if missing <= 0:
        return raw[:, :width], quality[:, :width]
    rows = len(raw)
    return (
        np.hstack([raw, np.full((rows, missing), np.nan)]),
        np.hstack([quality, np.full((rows, missing), Quality.NO_VALUE, dtype=np.int16)]),
    )


def joined(parts: Sequence[JudgedScans]) -> JudgedScans:
    """Put successive scans of one group together."""
    if len(parts) == 1:
        return parts[0]
    return JudgedScans(
        group=parts[0].group,
        sampled_us=np.concatenate([part.sampled_us for part in parts]),
        judged_us=np.concatenate([part.judged_us for part in parts]),
        raw=np.concatenate([part.raw for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        quality=np.concatenate([part.quality for part in parts]),
    )
