"""Who calls on the edges' line: tokens and streams, looked up in the database."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psycopg
from psycopg_pool import AsyncConnectionPool

from alarms.transition import Happening
from historian.identities import revoked_certificates
from historian.old_streams import may_begin
from historian.pools import StorePool, lent
from historian.streams import open_stream
from historian.tokens import Token, find_token, still_valid, verify_token
from ingest.conversation import Caller, LineParts, StreamRefusedError
from ingest.desk import SiteDesk
from ingest.enrolment import Enrolment
from ingest.inbox import Inbox, Stream
from ingest.open_lines import note_heard, note_line
from telemetry.clock import Clock, MachineClock, real_monotonic_s
from telemetry.frames import Hello
from telemetry.ranges import RangeSet

# An edge that waits longer for the handshake hangs up and calls again anyway.
POOL_TIMEOUT_S = 2.0
TWO_BOXES = "two_boxes"  # The rule of the technical alarm.
# Nor does it wait longer for a look-up: it has a few seconds for the whole handshake.
LOOK_UP_WITHIN_S = 2.5
STATEMENT_TIMEOUT_S = 5.0
STREAMS_OF_EDGE_MAX = 1000
TOO_MANY_STREAMS = (
    f"edge '{{edge}}' has begun {STREAMS_OF_EDGE_MAX} streams, one for each new spool: see why its "
    "spools do not last, or revoke its token if somebody else calls with it; what nothing has come "
    "over for a day is forgotten within the hour, then it may begin another"
)
DATABASE_AWAY = "the centre's database is away; what is in the spool can wait"


def callers_pool(dsn: str) -> AsyncConnectionPool:
    """Make the pool, still closed, from which lines look callers up."""
    return StorePool(
        dsn,
        "edge line",
        size_max=4,
        lent_within_s=POOL_TIMEOUT_S,
        statement_timeout_s=STATEMENT_TIMEOUT_S,
    )


def line_parts(
    pool: AsyncConnectionPool,
    desks: Sequence[SiteDesk],
    inbox: Inbox,
    clock: Clock,
    *,
    authority_folder: Path | None = None,
    open_metrics: bool = False,
) -> LineParts:
    """Say to the line how to look callers up, and where to put what they send."""
    return LineParts(
        inbox=inbox,
        clock=clock,
        verify=partial(_verify, pool),
        find=partial(_find, pool),
        still_valid=partial(_still_valid, pool),
        open_stream=partial(_open_stream, pool, desks),
        greet=partial(_greet, desks, clock),
        tell_of_rival=partial(_tell_of_rival, desks, clock),
        note_line=partial(note_line, pool),
        note_heard=partial(note_heard, pool),
        enrol=Enrolment(pool, list(desks), clock, authority_folder).answer,
        open_metrics=open_metrics,
    )


async def _verify(pool: AsyncConnectionPool, token: str) -> Token | None:
    try:
        async with lent(pool, LOOK_UP_WITHIN_S) as conn:
            return await verify_token(conn, token)
    except psycopg.OperationalError as error:
        raise StreamRefusedError("not_ready", DATABASE_AWAY) from error


async def _find(pool: AsyncConnectionPool, token_id: str) -> tuple[Token, bytes] | None:
    try:
        async with lent(pool, LOOK_UP_WITHIN_S) as conn:
            return await find_token(conn, token_id)
    except psycopg.OperationalError as error:
        raise StreamRefusedError("not_ready", DATABASE_AWAY) from error


async def _still_valid(pool: AsyncConnectionPool, callers: Sequence[Caller]) -> set[Caller]:
    """Tell whose token and certificate are neither revoked nor over."""
    shown = {one: one.certificate for one in callers if one.certificate is not None}
    try:
        async with lent(pool, LOOK_UP_WITHIN_S) as conn:
            tokens = await still_valid(conn, sorted({one.token_id for one in callers}))
            revoked = await revoked_certificates(
                conn, [(one.issuer, one.serial) for one in shown.values()]
            )
    except psycopg.OperationalError as error:
        raise StreamRefusedError("not_ready", DATABASE_AWAY) from error
    now_us = MachineClock().now_us()
    over = {
        caller
        for caller, one in shown.items()
        if (one.issuer, one.serial) in revoked or one.is_over(now_us)
    }
    return {one for one in callers if one.token_id in tokens} - over


async def _open_stream(
    pool: AsyncConnectionPool, desks: Sequence[SiteDesk], hello: Hello
) -> Stream:
    """Find the stream of a spool that has just said hello, or begin it."""
    desk = next((one for one in desks if one.key == hello.site), None)
    if desk is None:
        raise StreamRefusedError("wrong_site", f"this centre does not own site '{hello.site}'")
    if hello.edge not in desk.plan.structures_by_edge:
        raise StreamRefusedError(
            "wrong_site", f"the site file of '{hello.site}' has no bus for an edge '{hello.edge}'"
        )
    known = desk.streams.get((hello.edge, hello.epoch))
    if known is not None:
        return known
    if (hello.edge, hello.epoch) in desk.forgetting:
        raise StreamRefusedError("not_ready", "the stream is just being forgotten; call again")
    try:
        async with pool.connection() as conn:
            if not await may_begin(
                conn, desk.ids.site_id, hello.edge, hello.epoch, STREAMS_OF_EDGE_MAX
            ):
                raise StreamRefusedError("protocol", TOO_MANY_STREAMS.format(edge=hello.edge))
            stored = await open_stream(conn, desk.ids.site_id, hello.edge, hello.epoch)
    except psycopg.OperationalError as error:
        raise StreamRefusedError("not_ready", DATABASE_AWAY) from error
    return desk.streams.setdefault(
        (hello.edge, hello.epoch),
        Stream(
            site=hello.site,
            edge=hello.edge,
            epoch=hello.epoch,
            stream_id=stored.stream_id,
            delivered=RangeSet([*stored.delivered, *stored.lost]),
            lost=RangeSet(stored.lost),
        ),
    )


def _tell_of_rival(desks: Sequence[SiteDesk], clock: Clock, hello: Hello, address: str) -> None:
    """Raise the alarm; for an edge at most once a minute."""
    desk = next(one for one in desks if one.key == hello.site)
    at_us = clock.now_us()
    if desk.complaints.may_tell(hello.edge, TWO_BOXES, at_us):
        structure = desk.plan.structure_of_edge(hello.edge)
        detail = {"edge": hello.edge, "address": address}
        desk.notices.append(Happening(hello.edge, TWO_BOXES, structure, at_us, detail))


def _greet(desks: Sequence[SiteDesk], clock: Clock, stream: Stream, hello: Hello) -> None:
    for desk in desks:
        if desk.key == stream.site:
            desk.greet(stream, hello.next_seq, real_monotonic_s(), clock.now_us())
