"""From the bytes of an event block to events that may be stored, or to why not.

Pure. Only the instant is judged. An event that is a day ahead of its receipt, or from before the
site began, cannot be meant: it is kept in quarantine and not stored, because an event without a
believable instant says nothing about any time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.judging import BlockRefusedError, SiteKnowledge, read_of_site
from ingest.stamps import AHEAD_WILD_US, Receipt
from telemetry.event import EventBlock
from telemetry.event_wire import decode_events
from telemetry.plan import EventSourcePlan, SounderPlan


@dataclass(frozen=True, slots=True, eq=False)
class JudgedEvents:
    """An event block of a source that the site file knows."""

    source: EventSourcePlan | SounderPlan
    block: EventBlock
    wild: NDArray[np.bool_]  # [event] instants that no event of this site can have


def judge_events(
    content: bytes, *, edge: str, known: SiteKnowledge, receipt: Receipt
) -> JudgedEvents:
    """Decode a block and judge its instants; raise BlockRefusedError with the reason."""
    block, source = read_events(content, edge=edge, known=known)
    at_us = block.sampled_us
    wild = (at_us > receipt.received_us + AHEAD_WILD_US) | (at_us < receipt.site_began_us)
    return JudgedEvents(source, block, wild)


def read_events(
    content: bytes, *, edge: str, known: SiteKnowledge
) -> tuple[EventBlock, EventSourcePlan | SounderPlan]:
    """Decode a block and find its source; raise BlockRefusedError with the reason."""
    block = read_of_site(content, decode_events, known)
    site = block.site
    source = known.plan.teller_by_key.get(block.source)
    if source is None:
        what = "sounder" if block.kind == "sounding" else "event source"
        raise BlockRefusedError(
            "unknown_source",
            f"the site file of '{site}' has no {what} '{block.source}'; "
            "load the edge's site file at the centre, then `groundwatch quarantine release`",
        )
    if source.edge != edge:
        raise BlockRefusedError(
            "wrong_edge",
            f"event source '{block.source}' belongs to edge '{source.edge}', not to '{edge}'",
        )
    if source.kind != block.kind:
        raise BlockRefusedError(
            "wrong_kind",
            f"event source '{block.source}' is of the kind {source.kind}, but the block "
            f"says {block.kind}; give the edge and the centre the same site file",
        )
    return block, source
