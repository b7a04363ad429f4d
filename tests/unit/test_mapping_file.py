"""Mapping files: what they say, and what is said about what is wrong with them."""

from pathlib import Path

import pytest

from telemetry.logger_files.header import Wanted
from telemetry.logger_files.mapping import read_mapping
from telemetry.part_file import PartFileError
from telemetry.plan import SitePlan, plan_of
from telemetry.site_file import read_site_file

SITE = Path(__file__).parents[1] / "data" / "mukilteo-site.yaml"
GOOD = """\
files:
  - pattern: "mvd*.tsv"
    delimiter: tab
    time: { zone: "-08:00" }
    groups:
      mvd116:
        piezometer-pressure: 17
        battery: 2
  - header_rows: 2
    names_row: 1
    time: { zone: Asia/Shanghai }
    groups:
      barometer:
        air-pressure: { column: Baro, unit: kPa }
"""


@pytest.fixture(scope="module")
def site() -> SitePlan:
    return plan_of(read_site_file(SITE))


def test_the_first_entry_that_fits_a_name_counts(tmp_path: Path, site: SitePlan) -> None:
    (tmp_path / "m.yaml").write_text(GOOD, encoding="utf-8")
    mapping = read_mapping(tmp_path / "m.yaml", site)

    by_pattern, other = mapping.of_file(Path("x/mvd116.tsv")), mapping.of_file(Path("other.csv"))

    assert by_pattern is not None
    assert other is not None
    # A raw frequency is not in the channel's unit, a voltage is.
    assert by_pattern.wanted == (
        Wanted(17, "piezometer-pressure", None),
        Wanted(2, "battery", "V"),
    )
    assert (by_pattern.groups[0].slots, by_pattern.groups[0].columns) == ((0, 2), (0, 1))
    assert other.wanted == (Wanted("Baro", "air-pressure", "kPa"),)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mvd116:", "mvd117:", "m.yaml:6:7: files.0.groups.mvd117: the scan group mvd117 is unkn"),
        ("mvd116:", "mvd116-water:", "the scan group mvd116-water is calculated, not measured"),
        ("battery: 2", "batery: 2", "m.yaml:8:9: files.0.groups.mvd116.batery: the scan group"),
        ("battery: 2", "battery: BV", "m.yaml:8:18: files.0.groups.mvd116.battery: the column is"),
        (
            "battery: 2",
            "battery: -1",
            "m.yaml:8:18: files.0.groups.mvd116.battery: -1 may not stand here "
            "(allowed: a column's number, from 0, or its name in the file's header)",
        ),
        (
            "unit: kPa }",
            "units: kPa }",
            "m.yaml:14:23: files.1.groups.barometer.air-pressure.unit: the key unit is missing "
            "(allowed: with the keys column, unit)",
        ),
        (
            "delimiter: tab",
            "delimter: tab",
            "m.yaml:3:5: files.0.delimter: the key delimter",
        ),
        ("delimiter: tab", "delimiter: tabs", "m.yaml:3:16: files.0.delimiter: tabs may not stand"),
        ("names_row: 1", "names_row: 3", "names_row among the header_rows, which are 2 here"),
        (
            '"-08:00"',
            "Mars",
            "m.yaml:4:19: files.0.time.zone: Mars may not stand here (all",
        ),
        ("files:", "file:", "the key files is missing"),
        ("time: { zone: Asia/Shanghai }", "", "the key time is missing"),
    ],
)
def test_what_is_wrong_is_told_by_line(
    tmp_path: Path, site: SitePlan, old: str, new: str, said: str
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")

    with pytest.raises(PartFileError) as caught:
        read_mapping(path, site)

    assert said in str(caught.value)
