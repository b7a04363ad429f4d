"""The application: parts, gate, routes and page put together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from fastapi import FastAPI

from api.errors import install_error_answers
from api.gate import Gate
from api.page import page_router
from api.parts import Parts, make_parts
from api.routes import (
    alarms,
    back_tests,
    description,
    edges,
    events,
    export,
    forecasts,
    health,
    history,
    items,
    ledger,
    live,
    measurements,
    readings,
    session,
    sites,
    trends,
)
from api.settings import ApiSettings
from api.views import ErrorView

ROOMS = (
    health,
    session,
    sites,
    history,
    events,
    items,
    export,
    ledger,
    alarms,
    trends,
    forecasts,
    edges,
    measurements,
    back_tests,
    readings,
    live,
    description,
)

log = structlog.get_logger(__name__)


def create_application(
    settings: ApiSettings, *, give_up: Callable[[], None] | None = None
) -> FastAPI:
    """Make the application; it opens its connections when it starts.

    When one of its tasks ends that nobody has ended, it calls `give_up`: pages would go on to look
    alive, and no alarm would ever reach them.
    """
    parts = make_parts(settings)
    app = FastAPI(
        title="Groundwatch",
        summary="What a mine's instruments say, and what is wrong.",
        version="1",
        lifespan=_lifespan(give_up),
        openapi_url=None,  # Our own route gives it to those who have signed in.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": ErrorView}, "5XX": {"model": ErrorView}},
    )
    app.state.parts = parts
    install_error_answers(app)
    for room in ROOMS:
        app.include_router(room.router)
    app.include_router(page_router(settings.page))
    app.add_middleware(
        Gate,
        pool=parts.pool,
        metrics=parts.metrics,
        own_origins=settings.own_origins,
        open_metrics=settings.open_metrics,
    )
    return app


def _lifespan(
    give_up: Callable[[], None] | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        log.critical("a task of the API has ended", task=task.get_name(), exc_info=error)
        if give_up is not None:
            give_up()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts: Parts = app.state.parts
        for pool in (parts.pool, parts.long_pool):
            await pool.open(wait=False)  # The database may come later than we do.
        tasks = [
            asyncio.create_task(parts.wakeups.run(), name="wakeups"),
            asyncio.create_task(parts.feed.run(), name="feed"),
            asyncio.create_task(parts.feed.keep_time(), name="live time"),
            asyncio.create_task(parts.back_tests.run(), name="back-tests"),
        ]
        for task in tasks:
            task.add_done_callback(ended)
        try:
            yield
        finally:
            for task in tasks:
                task.remove_done_callback(ended)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            try:
                await parts.feed.finish()
            finally:
                await asyncio.gather(parts.pool.close(), parts.long_pool.close())

    return lifespan
