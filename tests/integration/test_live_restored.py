"""The database is restored from a backup while lines are open: they end, and begin anew."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from api_centre import SITE, Centre, running_centre
from live_lines import closing, hear, line, numbers, raises, subscribe


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


async def restore(centre: Centre, upto: int) -> None:
    """Leave what a backup held that was made when the journal's head was there."""
    conn = centre.connection
    await conn.execute("delete from journal_instant where number > %s", [upto])
    await conn.execute(
        "update journal_head set number = %s,"
        " hash = coalesce((select hash from journal where number = %s), hash)",
        [upto, upto],
    )
    await conn.execute("delete from journal where number > %s", [upto])
    await conn.execute("delete from alarm where number > %s", [upto])
    await conn.execute("delete from latest where flush_id > %s", [upto])
    await conn.execute("update site set flush_id = %s", [upto])


async def test_a_shorter_journal_ends_the_line_and_its_entries_are_pushed(centre: Centre) -> None:
    for n in range(4):
        await centre.flush(*raises(1, begin=n))
    async with line(centre, {"cursor": {SITE: 0}}) as opened:
        await numbers(opened, 4)
        async with centre.connection.transaction():
            await restore(centre, 2)
        code, reason = await closing(opened)
    assert code == 1013
    assert "restored" in reason

    async with line(centre, {"cursor": {SITE: 4}}) as again:
        assert (await hear(again, "hello"))["cursor"] == {SITE: 2}
        await centre.flush(*raises(1, begin=10))
        assert await numbers(again, 3) == [3]


async def test_a_restored_journal_that_has_grown_past_is_noticed(centre: Centre) -> None:
    for n in range(3):
        await centre.flush(*raises(1, begin=n))
    async with line(centre, {"cursor": {SITE: 0}}) as opened:
        await numbers(opened, 3)
        async with centre.connection.transaction():
            await restore(centre, 1)
            for n in range(5):
                await centre.flush_within(centre.connection, raises(1, begin=20 + n))
        assert (await closing(opened))[0] == 1013


async def test_readings_of_a_restored_store_arrive_although_no_alarm_was_lost(
    centre: Centre,
) -> None:
    await centre.flush(*raises(1))
    await centre.flush(scans=[centre.scan("cracks", [5.0])])
    wish = {"alarms": False, "channels": ["crack-1-opening"]}
    async with line(centre, wish) as opened:
        assert (await hear(opened, "values"))["values"][0]["value"] == 5.0
        async with centre.connection.transaction():
            await restore(centre, 1)
        assert (await closing(opened))[0] == 1013
    await centre.flush(scans=[centre.scan("cracks", [6.0])])
    async with line(centre, wish) as again:
        assert (await hear(again, "values"))["values"][0]["value"] == 6.0


async def test_a_line_that_is_told_of_entries_that_are_gone_goes_on(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unnoticed(*_: Any) -> list[int]:
        return []

    monkeypatch.setattr("api.live_feed.restored_under", unnoticed)
    monkeypatch.setattr("api.live_site.ENTRIES_KEPT", 1)
    monkeypatch.setattr("api.live_client.BEAT_S", 0.05)
    async with line(centre, {"cursor": None}) as ahead, line(centre) as behind:
        await hear(ahead, "hello")
        await centre.flush(*raises(4))
        await numbers(ahead, 4)
        async with centre.connection.transaction():
            await restore(centre, 2)
        await subscribe(behind, cursor={SITE: 2})
        await hear(behind, "hello")
        await hear(behind, "clock")
