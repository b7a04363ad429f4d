"""Blocks that came under a number which was settled already: are they what was settled?

The same again is nothing new. Other content may be data that nobody has yet, and so may a block
that was declared lost and has been found since. Neither may be stored as if nothing had
happened, and neither may be let go: they are kept in quarantine, and somebody is told.
"""

from dataclasses import replace

from psycopg import AsyncConnection

from alarms.transition import Happening
from historian.streams import SettledBlock, settled_blocks
from ingest.desk import SiteDesk
from ingest.preparation import Prepared, RefusedBlock, about_edge

CONTENT_DIFFERS = "content_differs"
FOUND_AGAIN = "found_again"
MESSAGES = {
    CONTENT_DIFFERS: "another block was stored under this number; see whether two edges use one "
    "token or one copied spool, and whether this one measured something too",
    FOUND_AGAIN: "the edge had declared this block lost, and has sent it after all",
}


async def compare_repeated(
    conn: AsyncConnection, desk: SiteDesk, prepared: Prepared
) -> tuple[Prepared, list[RefusedBlock]]:
    """Find the repeated blocks that are to be kept; add to the flush what is to be told of them."""
    numbers = [(arrival.stream.stream_id, event.seq) for arrival, event in prepared.repeated]
    # What the same flush keeps counts as well: a block may come twice in it.
    settled = dict(zip(numbers, await settled_blocks(conn, numbers), strict=True))
    kept: list[RefusedBlock] = []
    for number, (arrival, event) in zip(numbers, prepared.repeated, strict=True):
        reason = _why_kept(settled[number], event.hash)
        if reason is None:
            continue
        if reason == FOUND_AGAIN:
            settled[number] = SettledBlock(event.hash, is_lost=False)
        kept.append(RefusedBlock(arrival, event, reason, MESSAGES[reason]))
    told = [happening for block in kept if (happening := _told(desk, prepared, block))]
    return replace(prepared, happenings=(*prepared.happenings, *told)), kept


def _why_kept(settled: SettledBlock, content_hash: bytes) -> str | None:
    if settled.hash is None:  # What was delivered long ago can't be compared any more.
        return FOUND_AGAIN if settled.is_lost else None
    return None if settled.hash == content_hash else CONTENT_DIFFERS


def _told(desk: SiteDesk, prepared: Prepared, block: RefusedBlock) -> Happening | None:
    """Say what happened, unless the same was said of the edge within the minute."""
    arrival = block.arrival
    if not prepared.complaints.may_tell(arrival.stream.edge, block.reason, arrival.received_us):
        return None
    rule = block.reason if block.reason == CONTENT_DIFFERS else f"quarantined_{block.reason}"
    detail = {"seq": block.event.seq, "reason": block.reason, "message": block.message}
    return about_edge(desk, arrival, rule, detail)
