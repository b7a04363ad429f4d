"""One simulated dam, read over every Modbus line there is: the database holds the same values."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg import AsyncConnection
from same_dam import (
    Dam,
    Row,
    Way,
    as_bus,
    dam_in,
    expected,
    instants_of,
    modbus_tcp,
    numbers_of,
    qualities_of,
    stored,
)
from serial_line import serial_line

from telemetry.quality import Quality

RATE = 60.0  # A scan of the dam every half second.
SCANS_LEAST = 3


@asynccontextmanager
async def rtu_over_tcp(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    async with dam.server() as server:
        port = await server.start("127.0.0.1", 0, as_rtu=True)
        as_bus(tree, modbus_rtu_over_tcp={"host": "127.0.0.1", "port": port})
        yield


@asynccontextmanager
async def rtu(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    with serial_line() as line:
        async with dam.server() as server:
            await server.start_on_line(line.device)
            as_bus(tree, modbus_rtu={"device": line.master})
            yield


WAYS: dict[str, Way] = {"modbus_tcp": modbus_tcp, "rtu_over_tcp": rtu_over_tcp, "rtu": rtu}


def was_read(row: Row) -> bool:
    """Whether a scan was read; a busy machine may be late for one, and says so."""
    return not row["quality"] or max(row["quality"]) == Quality.GOOD


@pytest.mark.parametrize("way", list(WAYS))
async def test_the_same_dam_stores_the_same_values(
    way: str, tmp_path: Path, postgres_dsn: str, connection: AsyncConnection
) -> None:
    dam = dam_in(tmp_path, RATE)
    rows_of = await stored(
        WAYS[way],
        dam,
        dsn=postgres_dsn,
        connection=connection,
        enough=lambda rows: sum(map(was_read, rows)) >= SCANS_LEAST,
    )
    for key, unit in dam.units.items():
        rows = [row for row in rows_of[key] if was_read(row)]
        assert len(rows) >= SCANS_LEAST
        at_us = instants_of(rows)
        raw, value, quality = expected(unit, at_us)
        assert (at_us % unit.period_us == 0).all()
        np.testing.assert_array_equal(numbers_of(rows, "raw"), raw)
        np.testing.assert_array_equal(numbers_of(rows, "value"), value)
        np.testing.assert_array_equal(qualities_of(rows), quality)
