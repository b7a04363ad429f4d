"""Whether the process is up, whether the centre is ready, and what it counts."""

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from psycopg import AsyncConnection

from api.credentials import credential_of
from api.errors import DATABASE_ERRORS, ApiError
from api.parts import PartsDep
from api.store_figures import read_store_figures, store_exposition
from historian import tokens
from historian.heartbeat import read_ages

router = APIRouter()


# Some watchers ask with HEAD; without an answer of its own the page's, always good, would be given.
@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Whether this process is up")
async def healthz() -> dict[str, str]:
    """Answer as long as the process serves requests at all."""
    return {"status": "up"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="Whether the centre does its work")
async def readyz(parts: PartsDep, request: Request) -> dict[str, str]:
    """Answer once the database is reachable and an ingest does its work for every site."""
    async with parts.pool.connection() as conn:
        sites = [one for one in await read_ages(conn) if not one.is_given_up]
        alone = [one.site for one in sites if not one.is_attended]
        named = await _may_see(conn, request, alone) if alone else []
    if not sites:
        raise ApiError(503, "no_site", "No site is registered yet; start an ingest with one.")
    if alone:
        which = ", ".join(named) or "a site (sign in, or send a token, to see which)"
        raise ApiError(
            503,
            "site_not_attended",
            f"No ingest looks after {which}: it has not begun yet, has ended, or cannot store.",
        )
    return {"status": "ready"}


async def _may_see(conn: AsyncConnection, request: Request, sites: list[str]) -> list[str]:
    """Leave the sites whose names the caller may know; strangers may know none."""
    credential = credential_of(request.scope["headers"])
    token = None if credential is None else await tokens.verify_token(conn, credential.token)
    if token is None or token.scope is tokens.Scope.EDGE:
        return []
    return [site for site in sites if token.may_see(site)]


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics", summary="Counters for Prometheus", response_class=Response)
async def metrics(parts: PartsDep) -> Any:  # noqa: ANN401 - FastAPI would read a schema from it
    """Write what this process counts and, if it can be reached, what the store says."""
    text = generate_latest(parts.metrics.registry)
    with suppress(*DATABASE_ERRORS):
        async with parts.pool.connection() as conn:
            figures = await read_store_figures(conn, parts.quarantine_count)
        text += store_exposition(figures)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
