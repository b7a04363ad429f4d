"""Gives stored readings the qualities that the engine's screens have found for them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ingest.judging import with_qualities
from ingest.preparation import GoodBlock, Prepared, blocks_by_group


def as_screened(prepared: Prepared, screened: Mapping[int, NDArray[np.int16]]) -> Prepared:
    """Put what the screens say into the blocks that are to be stored, and into their scans."""
    if not screened:
        return prepared
    changed: dict[int, GoodBlock] = {}
    for blocks in blocks_by_group(prepared.good):
        quality = screened.get(blocks[0].judged.group)
        if quality is None:
            continue
        begin = 0
        for block in blocks:
            end = begin + len(block.judged.seen.judged_us)
            judged = with_qualities(block.judged, quality[begin:end])
            changed[id(block)] = replace(block, judged=judged)
            begin = end
    return replace(
        prepared,
        good=tuple(changed.get(id(block), block) for block in prepared.good),
        scans=tuple(
            replace(one, quality=screened.get(one.group, one.quality)) for one in prepared.scans
        ),
    )
