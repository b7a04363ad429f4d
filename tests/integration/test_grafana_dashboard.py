"""The dashboard's statements, run on a real database as the user that its page describes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hill import NAN, make_hill, scans
from psycopg import AsyncConnection

from historian.writer import write_scans
from telemetry.quality import Quality

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARD = json.loads((FOLDER / "readings.json").read_text(encoding="utf-8"))
BAD = int(Quality.ELECTRICAL)


def targets() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["rawSql"]


def as_grafana_writes_it(statement: str, site: str, channels: list[str]) -> str:
    """Put in what Grafana does: variables as quoted strings, and the span that is shown."""
    quoted = ", ".join(f"'{channel}'" for channel in channels)
    written = statement.replace("${site:sqlstring}", f"'{site}'")
    written = written.replace("${channel:sqlstring}", quoted)
    return re.sub(r"\$__timeFilter\((\w+)\)", r"\1 between '2000-01-01' and '2100-01-01'", written)


@pytest.fixture
async def grafana(connection: AsyncConnection) -> AsyncConnection:
    """A database with three scans, one of them bad, as the user of Grafana sees it."""
    site_id = await make_hill(connection)
    await connection.execute(
        "insert into channel values (%(site)s, 1, 0, 'crack', 'crack_opening', 'mm'), "
        "(%(site)s, 1, 1, 'pore', 'pore_pressure', 'kPa')",
        {"site": site_id},
    )
    async with connection.transaction():
        raw = [[5.0, 1.0], [6.0, NAN], [7.0, 3.0]]
        await write_scans(connection, site_id, 1, [scans(raw, quality=[[0, 0], [0, BAD], [0, 0]])])
    [block] = re.findall(r"```sql\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL)
    await connection.execute(block.encode())
    await connection.execute("set role grafana")
    return connection


@pytest.fixture(autouse=True)
async def without_the_role(connection: AsyncConnection) -> Any:
    """Roles belong to the whole server; the next test makes its own."""
    yield
    await connection.execute("reset role")
    await connection.execute("drop owned by grafana")
    await connection.execute("drop role grafana")


async def rows(grafana: AsyncConnection, title: str) -> list[Any]:
    [keys] = await (await grafana.execute(variable("site").encode())).fetchall()
    names = as_grafana_writes_it(variable("channel"), keys[0], [])
    channels = [key for (key,) in await (await grafana.execute(names.encode())).fetchall()]
    [statement] = [one for name, one in targets() if name == title]
    written = as_grafana_writes_it(statement, keys[0], channels)
    assert "$" not in written
    return await (await grafana.execute(written.encode())).fetchall()


def variable(name: str) -> str:
    [query] = [one["query"] for one in DASHBOARD["templating"]["list"] if one["name"] == name]
    return str(query)


async def test_a_bad_reading_is_a_gap_in_its_line(grafana: AsyncConnection) -> None:
    found = await rows(grafana, "Readings")

    lines: dict[str, list[float | None]] = {}
    for _, metric, value in found:
        lines.setdefault(metric, []).append(value)
    assert lines == {"crack [mm]": [5.0, 6.0, 7.0], "pore [kPa]": [1.0, None, 3.0]}


async def test_the_newest_readings_are_one_a_channel(grafana: AsyncConnection) -> None:
    found = await rows(grafana, "Newest reading of each channel")

    assert [(value, quality) for _, _, value, _, quality in found] == [(7.0, "good"), (3.0, "good")]


async def test_what_was_not_good_is_counted(grafana: AsyncConnection) -> None:
    found = await rows(grafana, "Readings an hour that were not good")

    assert sorted(value for _, _, value in found) == [0.0, 1.0]


async def test_the_user_of_grafana_reads_no_tokens(grafana: AsyncConnection) -> None:
    allowed = await (
        await grafana.execute(
            "select table_name from information_schema.table_privileges where grantee = 'grafana'"
        )
    ).fetchall()

    assert sorted(name for (name,) in allowed) == ["channel", "reading", "site"]
