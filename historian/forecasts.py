"""Forecasts, kept: what was answered about a channel, and how the answer moved.

Of a channel that does not accelerate only the newest answer is kept, in one row. Of one that does
every answer is, with its inputs: all of the last `DENSE_DAYS`, `DENSE_ROWS` at most; before that
the last of each day, for `DAILY_DAYS`. A row with its inputs has some 10 kB, so a channel that
accelerates without end holds 10 MB at most.

What was said is never said again differently: a second answer for the same instant is not stored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alarms.forecast.record import ForecastInputs, ForecastRow
from alarms.forecast.verdict import Verdict
from telemetry.clock import instant_at, instant_us

__all__ = [
    "ForecastRow",
    "current_forecasts",
    "forecast_history",
    "write_forecasts",
]

DENSE_DAYS = 30
DENSE_ROWS = 500
DAILY_DAYS = 400
QUIET = [one.name.lower() for one in Verdict if not one.accelerates]

# A quiet answer takes the place of the quiet one before it, if that is the newest of all.
FORGET_QUIET = """
    delete from forecast as old using unnest(%(channels)s::text[]) as asked (channel)
    where old.site_id = %(site_id)s and old.channel = asked.channel
      and old.asked_at < %(asked_at)s and old.verdict = any(%(quiet)s)
      and not exists (
          select from forecast as newer
          where newer.site_id = old.site_id and newer.channel = old.channel
            and newer.asked_at > old.asked_at
      )
"""
# A quiet answer that comes after newer ones says nothing to anybody.
INSERT = """
    insert into forecast (site_id, channel, asked_at, verdict, fails_at, earliest_at, latest_at,
                          level, answers, inputs, value, stored_at)
    select %(site_id)s, %(channel)s::text, %(asked_at)s::timestamptz, %(verdict)s, %(fails_at)s,
           %(earliest_at)s, %(latest_at)s, %(level)s, %(answers)s, %(inputs)s, %(value)s,
           %(stored_at)s
    where not (%(is_quiet)s and exists (
        select from forecast where site_id = %(site_id)s and channel = %(channel)s
           and asked_at >= %(asked_at)s
    ))
    on conflict do nothing
"""
# Ages count from the newest answer of the channel: a channel that has stopped keeps what it had.
THIN = """
    delete from forecast as old using (
        select channel, asked_at,
               row_number() over (partition by channel order by asked_at desc) as place,
               max(asked_at) over (partition by channel) - asked_at as age,
               lead(asked_at) over (partition by channel order by asked_at) as next_at
        from forecast where site_id = %(site_id)s and channel = any(%(channels)s)
    ) as aged
    where old.site_id = %(site_id)s
      and old.channel = aged.channel and old.asked_at = aged.asked_at
      and (age > make_interval(days => %(daily_days)s)
           or ((place > %(dense_rows)s or age > make_interval(days => %(dense_days)s))
               and date_trunc('day', old.asked_at, 'UTC') = date_trunc('day', next_at, 'UTC')))
"""
# From channel to channel along the index: each may have hundreds of rows, of which one is wanted.
CURRENT = """
    with recursive asked as (
        (select channel from forecast where site_id = %(site_id)s order by channel limit 1)
        union all
        select (
            select channel from forecast
            where site_id = %(site_id)s and channel > asked.channel order by channel limit 1
        ) from asked where asked.channel is not null
    )
    select newest.* from asked cross join lateral (
        select channel, asked_at, verdict, fails_at, earliest_at, latest_at, level, answers, inputs
        from forecast where site_id = %(site_id)s and channel = asked.channel
        order by asked_at desc limit 1
    ) as newest
    order by channel
"""
HISTORY = """
    select channel, asked_at, verdict, fails_at, earliest_at, latest_at, level, answers, inputs,
           case when %(with_bins)s then value end
    from forecast
    where site_id = %(site_id)s and channel = %(channel)s
      and asked_at >= coalesce(%(from_at)s, '-infinity'::timestamptz)
      and asked_at < coalesce(%(to_at)s, 'infinity'::timestamptz)
    order by asked_at desc limit %(most)s
"""


async def write_forecasts(
    conn: AsyncConnection[Any], site_id: int, rows: Iterable[ForecastRow], stored_us: int
) -> None:
    """Keep what was answered; what is kept already, or was answered before it, changes nothing."""
    ordered = sorted(rows, key=attrgetter("asked_us", "channel"))
    async with conn.transaction(), conn.cursor() as cursor:
        for asked_us, group in groupby(ordered, attrgetter("asked_us")):
            told = list(group)
            quiet = [row.channel for row in told if not row.verdict.accelerates]
            loud = [row.channel for row in told if row.verdict.accelerates]
            at = instant_at(asked_us)
            common = {"site_id": site_id, "asked_at": at, "quiet": QUIET}
            await cursor.execute(FORGET_QUIET, common | {"channels": quiet})
            stored_at = instant_at(stored_us)
            await cursor.executemany(INSERT, [_parameters(site_id, row, stored_at) for row in told])
            if loud:
                await cursor.execute(THIN, _ages(site_id, loud))


async def current_forecasts(conn: AsyncConnection[Any], site_id: int) -> list[ForecastRow]:
    """Return the newest answer about each channel, by channel; without the bins."""
    cursor = await conn.execute(CURRENT, {"site_id": site_id})
    return [_row_of(row) for row in await cursor.fetchall()]


async def forecast_history(
    conn: AsyncConnection[Any],
    site_id: int,
    channel: str,
    *,
    from_us: int | None = None,
    to_us: int | None = None,
    limit: int,
    with_bins: bool = False,
) -> list[ForecastRow]:
    """Return the newest answers about a channel in [from, to), in order."""
    parameters = {
        "site_id": site_id,
        "channel": channel,
        "from_at": None if from_us is None else instant_at(from_us),
        "to_at": None if to_us is None else instant_at(to_us),
        "most": limit,
        "with_bins": with_bins,
    }
    cursor = await conn.execute(HISTORY, parameters)
    return [_row_of(row) for row in reversed(await cursor.fetchall())]


def _ages(site_id: int, channels: Sequence[str]) -> dict[str, Any]:
    return {
        "site_id": site_id,
        "channels": channels,
        "daily_days": DAILY_DAYS,
        "dense_days": DENSE_DAYS,
        "dense_rows": DENSE_ROWS,
    }


def _parameters(site_id: int, row: ForecastRow, stored_at: datetime) -> dict[str, Any]:
    def at(instant: int | None) -> datetime | None:
        return None if instant is None else instant_at(instant)

    return {
        "site_id": site_id,
        "channel": row.channel,
        "asked_at": instant_at(row.asked_us),
        "verdict": row.verdict.name.lower(),
        "is_quiet": not row.verdict.accelerates,
        "fails_at": at(row.fails_us),
        "earliest_at": at(row.earliest_us),
        "latest_at": at(row.latest_us),
        "level": row.level,
        "answers": Jsonb(dict(row.answers)),
        "inputs": Jsonb(asdict(row.inputs)),
        "value": list(row.value) or None,
        "stored_at": stored_at,
    }


def _row_of(row: Sequence[Any]) -> ForecastRow:
    def us(instant: datetime | None) -> int | None:
        return None if instant is None else instant_us(instant)

    channel, asked_at, verdict, fails_at, earliest_at, latest_at, level, answers, inputs = row[:9]
    return ForecastRow(
        channel=channel,
        asked_us=instant_us(asked_at),
        verdict=Verdict[verdict.upper()],
        fails_us=us(fails_at),
        earliest_us=us(earliest_at),
        latest_us=us(latest_at),
        level=level,
        answers=answers,
        inputs=ForecastInputs(**inputs),
        value=tuple(row[9] or ()) if len(row) > 9 else (),
    )
