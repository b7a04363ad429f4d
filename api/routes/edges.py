"""Edges: which there are, whether they are connected, and the end of what one may do."""

from fastapi import APIRouter

from api.edge_list import read_edges
from api.errors import ApiError
from api.parts import PartsDep, SiteDep, TokenDep
from api.views import EdgeView, RevokedView, ShortText
from historian.identities import revoke

router = APIRouter(prefix="/api/v1/sites/{site}/edges")


@router.get("", summary="Edges: connected or not, token, certificate, newest block")
async def edges(record: SiteDep, parts: PartsDep) -> list[EdgeView]:
    """Show who delivers readings of a site."""
    async with parts.pool.connection() as conn:
        return await read_edges(conn, record)


@router.delete("/{edge}", summary="Revoke all tokens and certificates of an edge")
async def revoke_edge(
    edge: ShortText, record: SiteDep, parts: PartsDep, token: TokenDep
) -> RevokedView:
    """End what an edge may do; its open line is cut within a minute."""
    who = f"token {token.token_id} ({token.label})"
    async with parts.pool.connection() as conn, conn.transaction():
        ended = await revoke(conn, who=who, edge=(record.key, edge))
    if not ended:
        raise ApiError(
            404, "nothing_to_revoke", f"Edge '{edge}' has no token or certificate that is valid."
        )
    return RevokedView(tokens=list(ended.tokens), certificates=list(ended.certificates))
