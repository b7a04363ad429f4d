"""The API's description for programs."""

from typing import Any

from fastapi import APIRouter, Request

router = APIRouter(prefix="/api/v1")


@router.get("/openapi.json", summary="This description")
async def description(request: Request) -> dict[str, Any]:
    """Describe the routes as OpenAPI; there is no page of it that would load foreign scripts."""
    described: dict[str, Any] = request.app.openapi()
    return described
