"""The parts of a running API, and how routes reach them."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from psycopg_pool import AsyncConnectionPool
from starlette.requests import HTTPConnection

from api.back_test_queue import BackTestQueue
from api.errors import ApiError
from api.live_feed import LiveFeed
from api.metrics import Metrics
from api.settings import ApiSettings
from api.site_directory import SiteDirectory, SiteRecord
from api.store_figures import QuarantineCount
from api.wakeups import Wakeups
from historian.pools import StorePool
from historian.tokens import Token
from telemetry.clock import Clock
from telemetry.plan import ChannelPlan

POOL_MAX = 8
POOL_TIMEOUT_S = 2.0
LONG_POOL_MAX = 4
LONG_POOL_TIMEOUT_S = 8.0  # Charts come by the dozen, and may wait for each other.
STATEMENT_TIMEOUT_S = 10.0
LOCK_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What an API process consists of."""

    settings: ApiSettings
    clock: Clock
    metrics: Metrics
    pool: AsyncConnectionPool
    long_pool: AsyncConnectionPool  # For what may take long, so that nothing else waits for it.
    directory: SiteDirectory
    wakeups: Wakeups
    feed: LiveFeed
    quarantine_count: QuarantineCount
    back_tests: BackTestQueue
    exports: set[object] = field(default_factory=set)  # That are running.


def make_parts(settings: ApiSettings) -> Parts:
    """Make the parts; nothing is opened yet."""
    clock = settings.make_clock()
    metrics = Metrics()
    pool = _pool(settings, POOL_MAX, POOL_TIMEOUT_S)
    directory = SiteDirectory(pool)
    wakeups = Wakeups(settings.dsn)
    feed = LiveFeed(pool=pool, directory=directory, wakeups=wakeups, clock=clock, metrics=metrics)
    return Parts(
        settings=settings,
        clock=clock,
        metrics=metrics,
        pool=pool,
        long_pool=_pool(settings, LONG_POOL_MAX, LONG_POOL_TIMEOUT_S),
        directory=directory,
        wakeups=wakeups,
        feed=feed,
        quarantine_count=QuarantineCount(),
        back_tests=BackTestQueue(settings.dsn),
    )


def _pool(settings: ApiSettings, size: int, timeout_s: float) -> AsyncConnectionPool:
    return StorePool(
        settings.dsn,
        "api",
        size_max=size,
        lent_within_s=timeout_s,
        statement_timeout_s=STATEMENT_TIMEOUT_S,
        lock_timeout_s=LOCK_TIMEOUT_S,
    )


def parts_of(connection: HTTPConnection) -> Parts:
    """Return the parts of the application that serves a request."""
    parts = connection.app.state.parts
    assert isinstance(parts, Parts)
    return parts


def token_of(connection: HTTPConnection) -> Token:
    """Return the token that the gate has verified."""
    token = connection.scope["state"]["token"]
    assert isinstance(token, Token), "the gate lets nobody here without a token"
    return token


async def site_of(site: str, request: Request) -> SiteRecord:
    """Find the site that a request is about; one that the token may not see does not exist."""
    record = await parts_of(request).directory.find(site)
    if record is None or not token_of(request).may_see(site):
        raise ApiError(404, "unknown_site", f"There is no site '{site}' for this token.")
    return record


def check_structure(record: SiteRecord, structure: str | None) -> None:
    """Refuse to look for a structure that the site has not: nothing found would mislead."""
    known = [one.id for one in record.plan.site.structures]
    if structure is not None and structure not in known:
        message = f"Site {record.key} has no structure '{structure}', but {', '.join(known)}."
        raise ApiError(404, "unknown_structure", message)


def channel_of(record: SiteRecord, channel: str) -> ChannelPlan:
    """Find a channel of a site by its id."""
    plan = record.plan.channel_by_key.get(channel)
    if plan is None:
        raise ApiError(404, "unknown_channel", f"Site {record.key} has no channel '{channel}'.")
    return plan


PartsDep = Annotated[Parts, Depends(parts_of)]
TokenDep = Annotated[Token, Depends(token_of)]
SiteDep = Annotated[SiteRecord, Depends(site_of)]
