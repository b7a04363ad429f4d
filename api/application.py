"""The application: parts, gate, routes and page put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from api.errors import install_error_answers
from api.gate import Gate
from api.page import page_router
from api.parts import Parts, make_parts
from api.routes import alarms, description, health, history, live, session, sites
from api.settings import ApiSettings
from api.views import ErrorView


def create_application(settings: ApiSettings) -> FastAPI:
    """Make the application; it opens its connections when it starts."""
    parts = make_parts(settings)
    app = FastAPI(
        title="Groundwatch",
        summary="What a mine's instruments say, and what is wrong.",
        version="1",
        lifespan=_lifespan,
        openapi_url=None,  # Our own route gives it to those who have signed in.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": ErrorView}, "5XX": {"model": ErrorView}},
    )
    app.state.parts = parts
    install_error_answers(app)
    for room in (health, session, sites, history, alarms, live, description):
        app.include_router(room.router)
    app.include_router(page_router(settings.page))
    app.add_middleware(
        Gate, pool=parts.pool, metrics=parts.metrics, own_origins=settings.own_origins
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    await parts.pool.open(wait=False)  # The database may come later than we do.
    tasks = [
        asyncio.create_task(parts.wakeups.run(), name="wakeups"),
        asyncio.create_task(parts.feed.run(), name="feed"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await parts.feed.finish()
        await parts.pool.close()
