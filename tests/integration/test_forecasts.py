"""Forecasts in the store: every answer that tells something is kept, and nothing grows for ever."""

from dataclasses import replace
from typing import Any

import pytest
from ground import HOUR_US, START_US, insert_site
from psycopg import AsyncConnection
from told_forecasts import CREEPING, FAILING, SLOWING, told

from alarms.forecast.record import ForecastRow, forecast_again
from alarms.forecast.verdict import Verdict
from historian import forecasts
from historian.forecasts import current_forecasts, forecast_history, write_forecasts

DAY_US = 24 * HOUR_US
[LOUD] = told({"crack": FAILING})
[QUIET] = told({"crack": CREEPING})
[SLOWER] = told({"crack": SLOWING})


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    return await insert_site(connection)


async def kept(connection: AsyncConnection, site_id: int, **asked: Any) -> list[ForecastRow]:
    return await forecast_history(connection, site_id, "crack", **{"limit": 2000} | asked)


def at(row: ForecastRow, hour: float) -> ForecastRow:
    return replace(row, asked_us=START_US + round(hour * HOUR_US))


async def test_what_was_said_is_read_back_and_can_be_made_again(
    connection: AsyncConnection, site_id: int
) -> None:
    rows = told({"crack": FAILING, "creep": CREEPING})
    await write_forecasts(connection, site_id, rows, START_US + 7)

    assert await current_forecasts(connection, site_id) == [replace(one, value=()) for one in rows]
    [row] = await forecast_history(connection, site_id, "crack", limit=1, with_bins=True)
    assert row == rows[0]
    again = forecast_again(row)
    assert again.answers.fails_h[0] == pytest.approx(row.answers["fails_h"], rel=1e-9)
    [(stored_at,)] = await (
        await connection.execute(
            "select distinct extract(epoch from stored_at) * 1000000 from forecast"
        )
    ).fetchall()
    assert stored_at == START_US + 7


async def test_the_same_instant_twice_changes_nothing(
    connection: AsyncConnection, site_id: int
) -> None:
    for row in (LOUD, QUIET):
        await write_forecasts(connection, site_id, [row], START_US)
    assert await kept(connection, site_id) == [replace(LOUD, value=())]
    await write_forecasts(connection, site_id, [at(QUIET, 1)], START_US)
    before = await kept(connection, site_id)
    await write_forecasts(connection, site_id, [LOUD, at(QUIET, 1)], START_US + 1)
    assert await kept(connection, site_id) == before


async def test_quiet_answers_replace_each_other_and_loud_ones_do_not(
    connection: AsyncConnection, site_id: int
) -> None:
    told_so_far = [
        at(QUIET, 0),
        at(SLOWER, 1),
        at(QUIET, 2),
        at(LOUD, 3),
        at(LOUD, 4),
        at(SLOWER, 5),
    ]
    await write_forecasts(connection, site_id, told_so_far, START_US)
    await write_forecasts(connection, site_id, [at(QUIET, 6)], START_US)
    # Told late, after a restart.
    await write_forecasts(connection, site_id, [at(QUIET, 1), at(LOUD, 2.5)], START_US)

    assert [
        ((row.asked_us - START_US) / HOUR_US, row.verdict)
        for row in await kept(connection, site_id)
    ] == [
        (2, Verdict.NOT_ACCELERATING),
        (2.5, Verdict.FORECAST),
        (3, Verdict.FORECAST),
        (4, Verdict.FORECAST),
        (6, Verdict.NOT_ACCELERATING),
    ]


async def test_history_is_read_by_span_and_number(
    connection: AsyncConnection, site_id: int
) -> None:
    await write_forecasts(connection, site_id, [at(LOUD, hour) for hour in range(6)], START_US)

    def hours_of(rows: list[ForecastRow]) -> list[float]:
        return [(row.asked_us - START_US) / HOUR_US for row in rows]

    span = {"from_us": START_US + HOUR_US, "to_us": START_US + 4 * HOUR_US}
    assert hours_of(await kept(connection, site_id, **span)) == [1, 2, 3]
    assert hours_of(await kept(connection, site_id, **span, limit=2)) == [2, 3]
    assert hours_of(await kept(connection, site_id, limit=1)) == [5]
    assert await forecast_history(connection, site_id + 1, "crack", limit=9) == []


async def test_history_is_thinned_to_one_a_day_and_ends(
    connection: AsyncConnection, site_id: int
) -> None:
    """Asked four times a day for longer than anything is kept."""
    days = forecasts.DAILY_DAYS + 10
    lean = replace(LOUD, value=(1.0,), answers={})
    rows = [at(lean, 6 * quarter) for quarter in range(4 * days)]
    await write_forecasts(connection, site_id, rows[:-1], START_US)
    other = replace(lean, channel="other", asked_us=START_US)
    await write_forecasts(connection, site_id, [other, rows[-1]], START_US)

    held = [row.asked_us for row in await kept(connection, site_id)]
    newest = rows[-1].asked_us
    dense = [one for one in held if one > newest - forecasts.DENSE_DAYS * DAY_US]
    daily = [one for one in held if one < newest - forecasts.DENSE_DAYS * DAY_US]
    assert len(dense) == 4 * forecasts.DENSE_DAYS
    assert {(one - START_US) % DAY_US for one in daily} == {18 * HOUR_US}  # The last of its day.
    assert min(held) >= newest - forecasts.DAILY_DAYS * DAY_US
    assert len(daily) in range(
        forecasts.DAILY_DAYS - forecasts.DENSE_DAYS - 2, forecasts.DAILY_DAYS
    )
    assert len(await current_forecasts(connection, site_id)) == 2


async def test_however_fast_it_is_asked_a_channel_has_room_for_so_many(
    connection: AsyncConnection, site_id: int
) -> None:
    lean = replace(LOUD, value=(1.0,), answers={})
    most = forecasts.DENSE_ROWS
    rows = [at(lean, minute / 60) for minute in range(most + 300)]
    await write_forecasts(connection, site_id, rows, START_US)

    held = await kept(connection, site_id)
    assert [row.asked_us for row in held[-most:]] == [row.asked_us for row in rows[-most:]]
    assert len(held) == most  # All on one day, whose last is among them.
