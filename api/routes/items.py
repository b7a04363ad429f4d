"""Items: what the points of a structure add up to."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.newest import group_freshness, read_newest_scans
from api.parts import PartsDep, SiteDep, check_structure
from api.views import StructureQuery
from api.vote_views import VoteView, vote_view
from historian.votes import read_votes

router = APIRouter(prefix="/api/v1")

StructureFilter = Annotated[StructureQuery, Query()]


@router.get("/sites/{site}/items", summary="What the points of each structure vote for")
async def items(record: SiteDep, query: StructureFilter, parts: PartsDep) -> list[VoteView]:
    """Show the newest vote of each structure that votes, or of one of them."""
    check_structure(record, query.structure)
    async with parts.pool.connection() as conn:
        votes = await read_votes(conn, record.site_id)
        scans = await read_newest_scans(conn, {record.site_id: 0})
    of_group = {scan.group_id: scan for scan in scans}
    views = []
    for group_id, group in record.group_of_id.items():
        voting = group.structure.voting
        if not group.voting or voting is None:
            continue
        if query.structure in {None, group.structure.id}:
            freshness = group_freshness(group, of_group.get(group_id), parts.clock)
            stored = votes.get(group.structure.id)
            views.append(vote_view(group.structure, voting, stored, freshness))
    return views
