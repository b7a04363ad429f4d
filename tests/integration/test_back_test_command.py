"""`groundwatch backtest` from its command line to its object, its tables and its page."""

import asyncio
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from history import import_of_mine, stepping_file
from ingest_site import group_in, site_document, write_site
from typer.testing import CliRunner

from groundwatch import app

SPAN = ["--from", "2025-07-01", "--to", "2025-07-21"]


def run(dsn: str, site: Path, *words: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["backtest", "--site", str(site), "--dsn", dsn, *words])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture
def site(postgres_dsn: str, tmp_path: Path) -> Path:
    return asyncio.run(import_of_mine(postgres_dsn, tmp_path, stepping_file(20)))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    tree = site_document()
    group_in(tree, "levels")["channels"][0]["limits"][0]["levels"] = {"orange": 11.0, "red": 20.0}
    (tmp_path / "other").mkdir()
    return write_site(tmp_path / "other", tree)


def test_the_object_and_the_page_say_the_same(
    postgres_dsn: str, site: Path, other: Path, tmp_path: Path
) -> None:
    events, page = tmp_path / "known.csv", tmp_path / "page.html"
    events.write_text(
        "name,begins_at,channel\n<slide>,2025-07-12T00:00Z,crack\nold,2019-07-12,crack\n", "utf-8"
    )
    words = ["--against", str(other), "--events", str(events), "--plot", str(page), "--json"]

    code, said, _ = run(postgres_dsn, site, *SPAN, *words)

    assert code == 0
    found = json.loads(said)
    assert found["finding"]["order"] == "event-time"
    assert found["finding"]["process"]["by_level"] == {
        "blue": 0,
        "yellow": 10,
        "orange": 1,
        "red": 0,
    }
    assert found["against"]["process"]["by_level"]["orange"] == 11
    assert {word: found["difference"][word] for word in ("same", "moved", "added", "removed")} == {
        "same": 1,
        "moved": 10,
        "added": 0,
        "removed": 0,
    }
    assert found["finding"]["remarks"] == [
        "Known events outside the span, or where nothing is stored: 1."
    ]
    (slide,) = found["finding"]["events"]["detections"]
    assert slide["name"] == "<slide>"
    # The crack reaches 50 on the eleventh day, and is believed an hour's reading later.
    assert slide["lead_s"] == 23 * 3600.0
    assert found["finding"]["events"]["false_alarms"] == 10
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|<script|<link|src=|@import|url\(", text)
    assert text.count("<svg") == 2
    assert "&lt;slide&gt;" in text
    for drawing in re.findall(r"<svg.*?</svg>", text):
        ET.fromstring(drawing)


def test_figures_end_where_the_readings_do(postgres_dsn: str, site: Path) -> None:
    """An alarm that stood at the end of what is stored did not stand until doomsday."""
    words = ["--from", "1999-01-01", "--to", "9999-01-01", "--order", "event-time", "--json"]
    found = json.loads(run(postgres_dsn, site, *words)[1])["finding"]
    assert found["stored_to"] == "2025-07-20T23:00:00Z"
    assert found["days"] == pytest.approx(20 - 1 / 24)
    assert found["process"]["channels"]["crack"]["longest_s"] == pytest.approx(238 * 3600.0)
    assert [remark[:44] for remark in found["remarks"]] == [
        "What is stored begins at 2025-07-01 00:00:00",
        "What is stored ends at 2025-07-20 23:00:00+0",
    ]
    nothing = ["--from", "2030-01-01", "--to", "2031-01-01", "--order", "event-time", "--json"]
    found = json.loads(run(postgres_dsn, site, *nothing)[1])["finding"]
    assert (found["readings"], found["process"]["alarms"]) == (0, 0)
    assert found["remarks"] == ["Nothing of the span was judged."]


def test_tables_are_for_people(postgres_dsn: str, site: Path) -> None:
    code, said, progress = run(postgres_dsn, site, *SPAN, "--order", "event-time")
    assert code == 0
    assert "Process alarms by channel" in said
    assert "pond" in said
    assert progress == ""  # Nobody looks.
    said = run(postgres_dsn, site, *SPAN)[1]
    assert "0 readings judged in the recorded order" in said
    assert "What was imported is not seen" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "soon", "--to", "2025-07-21"], "no instant"),
        (["--from", "2025-07-21", "--to", "2025-07-01"], "The span is empty"),
        ([*SPAN, "--horizon", "long"], "no duration"),
        ([*SPAN, "--events", "nowhere.csv"], "nowhere.csv"),
        ([*SPAN, "--against", "nowhere.yaml"], "nowhere.yaml"),
        ([*SPAN, "--plot", "nowhere/at/all.html"], "nowhere/at/all.html"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    postgres_dsn: str, site: Path, words: list[str], told: str
) -> None:
    code, said, error = run(postgres_dsn, site, *words)
    assert code == 2
    assert told in error
    assert said == ""


def test_the_recorded_order_knows_only_the_file_in_force(
    postgres_dsn: str, site: Path, other: Path
) -> None:
    code, _, error = run(postgres_dsn, other, *SPAN, "--order", "recorded")
    assert (code, "is not the site file in force" in error) == (2, True)
    both = [*SPAN, "--order", "recorded", "--against", str(other)]
    code, _, error = run(postgres_dsn, site, *both)
    assert (code, "judged by event time" in error) == (2, True)
