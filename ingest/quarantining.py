"""What a flush puts into quarantine, with all its bytes and the sentence that says why."""

from collections.abc import Sequence

from historian.writer import QuarantineWrite
from ingest.preparation import (
    IMPLAUSIBLE_CLOCK,
    IMPLAUSIBLE_CLOCK_TOLD,
    GoodBlock,
    GoodEvents,
    Prepared,
    RefusedBlock,
)

EVENTS_TOLD = (
    "instants are a day ahead of receipt or from before the site began; those events are not "
    "stored: set the clock of whoever stamps them, and let them be published again"
)


def quarantined_in(prepared: Prepared, kept: Sequence[RefusedBlock]) -> list[QuarantineWrite]:
    """List what a flush keeps: blocks refused or repeated, and whole blocks with wild stamps."""
    refused = (*prepared.refused, *kept)
    return [
        *(_write(one, one.reason, one.message) for one in refused),
        *(_write(one, IMPLAUSIBLE_CLOCK, _told(one)) for one in prepared.with_wild),
    ]


def _told(block: GoodBlock | GoodEvents) -> str:
    return EVENTS_TOLD if isinstance(block, GoodEvents) else IMPLAUSIBLE_CLOCK_TOLD


def _write(
    block: GoodBlock | GoodEvents | RefusedBlock, reason: str, message: str
) -> QuarantineWrite:
    return QuarantineWrite(
        received_us=block.arrival.received_us,
        edge=block.arrival.stream.edge,
        stream_id=block.arrival.stream.stream_id,
        seq=block.event.seq,
        reason=reason,
        message=message,
        content=block.event.content,
    )
