"""Sites keep their numbers, and slots their channels, for ever."""

import asyncio
import copy
from typing import Any

import pytest
from psycopg import AsyncConnection

from historian.connection import connect
from historian.registry import (
    RegistrationError,
    layouts_known,
    newest_configurations,
    read_configuration,
    register_site,
)
from telemetry.plan import SitePlan, plan_of
from telemetry.site import Site

LOADED_US = 1_751_328_000_000_000
NAME = {"en": "A place", "zh": "一处"}


def channel(key: str, slot: int, unit: str = "kPa") -> dict[str, Any]:
    return {
        "id": key,
        "quantity": "pressure",
        "unit": unit,
        "slot": slot,
        "instrument": "logger",
        "register": {"address": slot},
    }


def group(key: str, *channels: dict[str, Any]) -> dict[str, Any]:
    return {"id": key, "period_s": 30, "bus": "bus", "device_id": 1, "channels": list(channels)}


def site(*groups: dict[str, Any], calculated: bool = False) -> SitePlan:
    station: dict[str, Any] = {
        "id": "crest",
        "name": NAME,
        "instruments": [{"id": "logger", "type": "logger"}],
        "scan_groups": list(groups),
    }
    if calculated:
        sum_of = {
            "id": "sum",
            "quantity": "pressure",
            "unit": "kPa",
            "slot": 0,
            "formula": "a + a",
            "inputs": {"a": "pore-1"},
            "max_age_s": 60,
        }
        station["calculated_groups"] = [{"id": "sums", "period_s": 60, "channels": [sum_of]}]
    document = {
        "site": "hill",
        "name": NAME,
        "time_zone": "UTC",
        "began_at": "2025-01-01T00:00:00Z",
        "buses": [{"id": "bus", "edge": "edge", "modbus_tcp": {"host": "localhost"}}],
        "structures": [{"id": "dam", "kind": "tailings_dam", "name": NAME, "stations": [station]}],
    }
    return plan_of(Site.model_validate(copy.deepcopy(document)))


PORE = group("pore", channel("pore-1", 0), channel("pore-2", 2))
RAIN = group("rain", channel("rain-1", 0, "mm"))


async def rows(connection: AsyncConnection, statement: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(statement)).fetchall()


async def test_a_site_is_registered_whole(connection: AsyncConnection) -> None:
    plan = site(PORE, RAIN, calculated=True)

    ids = await register_site(connection, plan, "the file", LOADED_US)

    assert ids.version == 1
    assert ids.group_ids == (1, 2, 3)
    assert await rows(
        connection, "select key, calculated, period_s from scan_group order by 1"
    ) == [
        ("pore", False, 30.0),
        ("rain", False, 30.0),
        ("sums", True, 60.0),
    ]
    assert await rows(
        connection, "select group_id, slot, key, unit from channel order by 1, 2"
    ) == [
        (1, 0, "pore-1", "kPa"),
        (1, 2, "pore-2", "kPa"),
        (2, 0, "rain-1", "mm"),
        (3, 0, "sum", "kPa"),
    ]
    assert await layouts_known(connection, ids.site_id) == {
        (1, plan.groups[0].layout): 3,
        (2, plan.groups[1].layout): 1,
        (3, plan.groups[2].layout): 1,
    }
    assert await newest_configurations(connection) == [(ids.site_id, "hill", 1, "the file")]


async def test_the_same_file_is_the_same_version(connection: AsyncConnection) -> None:
    first = await register_site(connection, site(PORE), "the file", LOADED_US)
    second = await register_site(connection, site(PORE), "the file", LOADED_US + 1)

    assert first == second


async def test_a_changed_file_keeps_the_numbers(connection: AsyncConnection) -> None:
    before = await register_site(connection, site(PORE, RAIN), "before", LOADED_US)
    wider = group("pore", channel("pore-1", 0), channel("pore-2", 2), channel("pore-3", 3))
    after = await register_site(
        connection, site(group("new", channel("new-1", 0)), RAIN, wider), "after", LOADED_US
    )

    assert after.site_id == before.site_id
    assert after.version == 2
    assert after.group_ids == (3, 2, 1)
    layouts = await layouts_known(connection, after.site_id)
    assert sorted(slots for (group_id, _), slots in layouts.items() if group_id == 1) == [3, 4]
    assert await newest_configurations(connection) == [(after.site_id, "hill", 2, "after")]
    assert await read_configuration(connection, after.site_id, 1) == "before"
    assert await read_configuration(connection, after.site_id, 3) is None


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (
            [group("pore", channel("pore-1", 0), channel("pore-9", 2))],
            r"Slot 2 of group pore .* channel pore-9, but readings of channel pore-2",
        ),
        (
            [group("pore", channel("pore-1", 0), channel("pore-2", 3))],
            r"Channel pore-2 is moved to slot 3 of group pore, .* slot 2 of group pore",
        ),
        (
            [group("pore", channel("pore-2", 2)), group("other", channel("pore-1", 0))],
            r"Channel pore-1 is moved to slot 0 of group other",
        ),
        (
            [group("pore", channel("pore-1", 0, "m"), channel("pore-2", 2))],
            r"Channel pore-1 is now pressure in m, but .* pressure in kPa",
        ),
    ],
)
async def test_what_is_stored_is_not_contradicted(
    connection: AsyncConnection, changed: list[dict[str, Any]], complaint: str
) -> None:
    ids = await register_site(connection, site(PORE), "before", LOADED_US)
    groups = await rows(connection, "select * from scan_group")

    with pytest.raises(RegistrationError, match=complaint):
        await register_site(connection, site(*changed), "after", LOADED_US)

    assert await newest_configurations(connection) == [(ids.site_id, "hill", 1, "before")]
    assert await rows(connection, "select * from scan_group") == groups


async def test_a_channel_left_out_may_come_back(connection: AsyncConnection) -> None:
    await register_site(connection, site(PORE, RAIN), "one", LOADED_US)
    await register_site(connection, site(PORE), "two", LOADED_US)

    ids = await register_site(connection, site(PORE, RAIN), "one", LOADED_US)

    assert ids.version == 3
    assert ids.group_ids == (1, 2)


async def test_two_registrations_do_not_give_out_one_number(
    connection: AsyncConnection, postgres_dsn: str
) -> None:
    await register_site(connection, site(PORE), "one", LOADED_US)
    async with (
        await connect(postgres_dsn, name="first") as first,
        await connect(postgres_dsn, name="second") as second,
    ):
        async with first.transaction():
            await register_site(first, site(PORE, RAIN), "two", LOADED_US)
            other = site(PORE, group("other", channel("other-1", 0)))
            waiting = asyncio.create_task(register_site(second, other, "three", LOADED_US))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
        ids = await waiting

    assert ids.group_ids == (1, 3)
    assert ids.version == 3
