"""What is exported: units, qualities, instants that mean one thing; it can be imported again."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from history import DATA, NoProgress, everything, imported
from psycopg import AsyncConnection
from real_data import real_data_folder

from historian.exporting.command import ExportRequest, export, run_export
from ingest.history.importing import ImportRequest, import_files
from telemetry.clock import MachineClock

ROWS = """time,a,b
2020-06-01 00:00:00,338.5,-9999
2020-06-01 00:05:00,338.25,-3.5
2020-06-01 00:05:00,338.75,-3.5
"""
MAPPING = """
files:
  - header_rows: 1
    time: {{ zone: UTC, format: "%Y-%m-%d %H:%M:%S" }}
    groups: {{ pond: {{ pond-level: 1, panel-temperature: 2 }} }}
"""
AGAIN = """
files:
  - header_rows: 1
    names_row: 1
    time: {{ columns: [time], format: "%Y-%m-%dT%H:%M:%S%z" }}
    groups: {groups}
"""


async def stored(dsn: str, folder: Path, rows: str = ROWS) -> None:
    (folder / "rows.csv").write_text(rows, encoding="utf-8")
    (folder / "mapping.yaml").write_text(MAPPING.format(), encoding="utf-8")
    site = DATA / "tailings-pond-site.yaml"
    request = ImportRequest((folder / "rows.csv",), site, folder / "mapping.yaml", dsn)
    await import_files(request, MachineClock(), NoProgress())


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


async def test_a_wide_file_has_a_column_for_each_channel(postgres_dsn: str, tmp_path: Path) -> None:
    await stored(postgres_dsn, tmp_path)
    out = tmp_path / "out.csv"

    await export(
        ExportRequest("summer-pond", postgres_dsn, out, groups=("pond",), channels=("freeboard",))
    )

    header, *rows = table(out)
    assert header[:3] == ["time", "pond-level [m]", "pond-level quality"]
    assert header[-2:] == ["freeboard [m]", "freeboard quality"]
    at = "2020-06-01T00:0{}:00Z".format
    nothing = ["nan", "no_value"]
    assert rows == [
        [at(0), "338.5", "good", *nothing, *nothing, "1.5", "good"],
        [at(5), "338.25", "good", *nothing, "-3.5", "good", "1.75", "good"],
        [at(5), "338.75", "conflict", *nothing, "-3.5", "good", "", ""],
    ]
    assert '"2020-06-01T00:05:00Z",338.25,"good"' in out.read_text(encoding="utf-8")


async def test_a_long_file_has_a_row_for_each_reading(postgres_dsn: str, tmp_path: Path) -> None:
    await stored(postgres_dsn, tmp_path)
    out = tmp_path / "out.csv"

    await export(
        ExportRequest(
            "summer-pond",
            postgres_dsn,
            out,
            channels=("panel-temperature",),
            from_="2020-06-01T00:05:00Z",
            to="2020-06-01T00:05:01Z",
            form="long",
            time_zone="Asia/Shanghai",
        )
    )

    header, *rows = table(out)
    assert header == ["time", "station", "channel", "name", "value", "unit", "quality"]
    told = ["pond-station", "panel-temperature", "Panel temperature", "-3.5", "°C", "good"]
    assert rows == [["2020-06-01T08:05:00+08:00", *told]] * 2


async def test_nothing_is_a_header(postgres_dsn: str, tmp_path: Path) -> None:
    await stored(postgres_dsn, tmp_path)
    out = tmp_path / "out.csv"

    await export(ExportRequest("summer-pond", postgres_dsn, out, from_="2024-01-01"))

    assert len(table(out)) == 1


@pytest.mark.parametrize("form", ["wide", "long"])
async def test_parquet_has_the_same_numbers(postgres_dsn: str, tmp_path: Path, form: Any) -> None:
    await stored(postgres_dsn, tmp_path)
    request = ExportRequest(
        "summer-pond", postgres_dsn, tmp_path / "out", format="parquet", form=form
    )

    await export(request)

    found = pq.read_table(request.out)
    if form == "wide":
        assert found["pond-level"].to_pylist() == [338.5, 338.25, 338.75]
        assert found.schema.field("pond-level").metadata == {b"unit": b"m"}
        assert found["freeboard"].to_pylist() == [1.5, 1.75, None]
    else:
        pond = found.filter(np.array(found["channel"].to_pylist()) == "pond-level")
        assert pond["value"].to_pylist() == [338.5, 338.25, 338.75]
        assert set(pond["unit"].to_pylist()) == {"m"}
    assert str(found["time"][0].as_py()) == "2020-06-01 00:00:00+00:00"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"site": "moon"}, "The store knows no site 'moon'; it knows summer-pond."),
        ({"channels": ("level",)}, "has no channel 'level'; it has pond-level, "),
        ({"groups": ("level",)}, "has no group 'level'; it has pond, pond-water."),
        ({"time_zone": "Mars"}, "'Mars' is no time zone"),
        ({"from_": "yesterday"}, "'yesterday' is no instant"),
        ({"from_": "2021-01-01", "to": "2020-01-01"}, "The span is empty"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(
    postgres_dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    keys: dict[str, Any],
    said: str,
) -> None:
    import asyncio  # noqa: PLC0415

    asyncio.run(stored(postgres_dsn, tmp_path))
    words = {"site": "summer-pond", "dsn": postgres_dsn, "out": tmp_path / "out.csv"} | keys

    assert run_export(ExportRequest(**words)) == 2

    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_parquet_without_its_part_is_a_sentence(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import asyncio; from historian.exporting.parquet_file import *\n"
        "asyncio.run(write_parquet(None, None, 'wide', None))"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "pip install 'groundwatch[parquet]'" in run.stderr


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "site", "files", "groups"),
    [
        (
            "tailings-pond",
            "summer-pond",
            ["tailings_pond_2020_5min.csv"],
            '{ pond: { pond-level: "pond-level [m]", air-pressure: "air-pressure [hPa]", '
            'panel-temperature: "panel-temperature [°C]" } }',
        ),
        (
            "mukilteo",
            "mukilteo",
            [
                "usgs_mukilteo_mvd116_14d.tsv",
                "usgs_mukilteo_barometer_14d.tsv",
                "usgs_mukilteo_mvd116_rain.txt",
            ],
            "{ mvd116: { piezometer-pressure: 1, piezometer-temperature: 3, battery: 5, rain: 7 }, "
            "barometer: { air-pressure: 9 } }",
        ),
    ],
)
async def test_what_is_exported_can_be_imported_again(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    name: str,
    site: str,
    files: list[str],
    groups: str,
) -> None:
    await imported(postgres_dsn, name, *(real_data_folder() / file for file in files))
    before = await everything(connection)
    out = tmp_path / "out.csv"
    measured = ("pond",) if site == "summer-pond" else ("mvd116", "barometer")

    await export(ExportRequest(site, postgres_dsn, out, groups=measured, numbers="raw"))
    await connection.execute("truncate scan, stream, uncalculated cascade")
    (tmp_path / "again.yaml").write_text(AGAIN.format(groups=groups), encoding="utf-8")
    request = ImportRequest(
        (out,), DATA / f"{name}-site.yaml", tmp_path / "again.yaml", postgres_dsn
    )
    await import_files(request, MachineClock(), NoProgress())

    assert await everything(connection) == before


@pytest.mark.real_data
async def test_parquet_and_csv_say_the_same_of_real_data(postgres_dsn: str, tmp_path: Path) -> None:
    await imported(
        postgres_dsn, "tailings-pond", real_data_folder() / "tailings_pond_2020_5min.csv"
    )
    columns = ("pond-level", "freeboard")
    csv_file, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    await export(ExportRequest("summer-pond", postgres_dsn, csv_file, columns))
    await export(ExportRequest("summer-pond", postgres_dsn, parquet, columns, format="parquet"))

    _, *rows = table(csv_file)
    found = pq.read_table(parquet)
    assert found.num_rows == len(rows) == 26_496
    for n, channel in enumerate(columns):
        texts = [row[1 + 2 * n] for row in rows]
        numbers = [None if not text else float(text) for text in texts]
        assert found[channel].to_pylist() == numbers
