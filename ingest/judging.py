"""From the bytes of a block to judged scans, or to the sentence that says why not.

Pure: what the centre knows about the site is handed in, and so is the time of receipt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ingest.stamps import JudgedStamps, Receipt, StampState, judge_stamps
from telemetry.event import EventBlock
from telemetry.plan import GroupPlan, SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans, ScanBlock, as_wide_as
from telemetry.wire import WireError, decode_block

Floats = NDArray[np.float64]
Qualities = NDArray[np.int16]
B = TypeVar("B", ScanBlock, EventBlock)


class Converter(Protocol):
    """Turns raw numbers of a group into engineering values and judges them by their ranges."""

    def convert(self, raw: Floats, quality: Qualities) -> tuple[Floats, Qualities]:
        """Convert [scan, slot] arrays as wide as the group's plan."""


class BlockRefusedError(Exception):
    """A block that can't be stored as scans; its bytes go to quarantine."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, eq=False)
class SiteKnowledge:
    """What the centre must know to judge a site's blocks."""

    plan: SitePlan
    began_us: int
    layouts: Mapping[tuple[str, int], int]  # (group key, layout) -> slots; old ones included.
    converters: tuple[Converter, ...]  # By plan index.


@dataclass(frozen=True, slots=True, eq=False)
class JudgedBlock:
    """A block as the detectors and the store want it."""

    group: int  # Index into the plan's groups.
    judged: JudgedScans  # Every scan, as wide as the plan.
    raw: Floats  # Every scan, as wide as the block or the plan, whichever is wider.
    wild: NDArray[np.bool_]  # [scan] stamps that no table may hold.
    late: NDArray[np.bool_] | None  # [scan] stored, but not judged as now: see `ingest.stamps`.
    stamps: StampState

    @property
    def width(self) -> int:
        """Slots of the rows that are stored."""
        return int(self.raw.shape[1])

    @property
    def late_count(self) -> int:
        """How many scans are late."""
        return 0 if self.late is None else int(self.late.sum())

    @property
    def is_late(self) -> bool:
        """Whether all of it is late, so that it says nothing about now."""
        return self.late is not None and bool(self.late.all())

    @property
    def seen(self) -> JudgedScans:
        """The scans that the engine is shown."""
        if self.late is None:
            return self.judged
        one, counting = self.judged, ~self.late
        return JudgedScans(
            group=one.group,
            sampled_us=one.sampled_us[counting],
            judged_us=one.judged_us[counting],
            raw=one.raw[counting],
            value=one.value[counting],
            quality=one.quality[counting],
        )


def with_qualities(judged: JudgedBlock, seen: Qualities) -> JudgedBlock:
    """Say otherwise how far the scans that the engine was shown can be trusted."""
    one = judged.judged
    quality = seen
    if judged.late is not None:
        quality = one.quality.copy()
        quality[~judged.late] = seen
    return replace(judged, judged=replace(one, quality=quality))


def read_of_site(content: bytes, decode: Callable[[bytes], B], known: SiteKnowledge) -> B:
    """Decode a block of the site that the line is for; raise BlockRefusedError with the reason."""
    try:
        block = decode(content)
    except WireError as error:
        raise BlockRefusedError(error.reason, error.message) from error
    site = known.plan.site.site
    if block.site != site:
        raise BlockRefusedError(
            "wrong_site", f"the block is of site '{block.site}', but the line is for '{site}'"
        )
    return block


def read_block(content: bytes, *, edge: str, known: SiteKnowledge) -> tuple[ScanBlock, GroupPlan]:
    """Decode a block and find its group; raise BlockRefusedError with the reason."""
    block = read_of_site(content, decode_block, known)
    site = block.site
    group = known.plan.group_by_key.get(block.group)
    if group is None or group.calculated:
        raise BlockRefusedError(
            "unknown_group",
            f"the site file of '{site}' has no scan group '{block.group}'; "
            "give the edge and the centre the same site file",
        )
    if group.edge != edge:
        raise BlockRefusedError(
            "wrong_edge",
            f"scan group '{block.group}' belongs to edge '{group.edge}', not to '{edge}'",
        )
    slots = known.layouts.get((block.group, block.layout))
    if slots is None:
        raise BlockRefusedError(
            "unknown_layout",
            f"the centre has never known layout {block.layout} of scan group '{block.group}'; "
            "load the edge's site file at the centre, then `groundwatch quarantine release`",
        )
    if slots != block.raw.shape[1]:
        raise BlockRefusedError(
            "wrong_width",
            f"layout {block.layout} of '{block.group}' has {slots} slots, "
            f"but the block has {block.raw.shape[1]}",
        )
    return block, group


def judge_block(
    block: ScanBlock,
    group: GroupPlan,
    *,
    converter: Converter,
    receipt: Receipt,
    stamps: StampState,
    repeated: NDArray[np.bool_] | None = None,  # [scan] see `ingest.repetitions`
) -> JudgedBlock:
    """Convert a block's readings and judge readings and stamps."""
    verdict = judge_stamps(
        block.sampled_us,
        block.monotonic_us,
        receipt=receipt,
        state=stamps,
        repeated=repeated,
        in_order=block.in_order,
    )
    raw, quality = as_wide_as(group.slot_count, block.raw, block.quality)
    value, quality = converter.convert(raw, quality)
    quality = _with_suspect_clock(quality, verdict)
    stored_raw = block.raw if block.raw.shape[1] > group.slot_count else raw
    return JudgedBlock(
        group=group.index,
        judged=JudgedScans(
            group=group.index,
            sampled_us=block.sampled_us,
            judged_us=verdict.judged_us,
            raw=raw,
            value=value,
            quality=quality,
        ),
        raw=stored_raw,
        wild=verdict.wild,
        late=verdict.late,
        stamps=verdict.state,
    )


def _with_suspect_clock(quality: Qualities, verdict: JudgedStamps) -> Qualities:
    repaired = (verdict.suspect | verdict.wild)[:, np.newaxis]
    if not repaired.any():
        return quality
    return np.where(
        repaired & (quality == Quality.GOOD), np.int16(Quality.CLOCK_SUSPECT), quality
    ).astype(np.int16)
