"""Every call of our command line in a document is one that exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_lines import calls_in, complaints_about

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md"), *(ROOT / "docs").rglob("*.md")]
)
BLOCK = re.compile(r"^```sh[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def calls_of(document: Path) -> Iterator[list[str]]:
    for block in BLOCK.findall(document.read_text(encoding="utf-8")):
        yield from calls_in(block.replace("$GW ", "groundwatch ").replace("'", " "))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_calls_what_there_is(path: Path) -> None:
    found = {" ".join(call): complaints_about(call) for call in calls_of(path)}
    assert {call: complaints for call, complaints in found.items() if complaints} == {}


def test_calls_are_found_at_all() -> None:
    assert ["check", "/etc/groundwatch/site.yaml"] in list(calls_of(ROOT / "deploy" / "RUNBOOK.md"))


def test_the_runbooks_have_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        blocks = BLOCK.findall((ROOT / "deploy" / name).read_text(encoding="utf-8"))
        return [re.sub(r" *#.*", "", block) for block in blocks]

    assert commands("RUNBOOK.md") == commands("RUNBOOK.zh-CN.md")


METRIC = re.compile(r"`(groundwatch_[a-z_]+)`")


def test_the_runbooks_name_metrics_that_are_counted() -> None:
    rooms = [path for room in ("api", "ingest") for path in (ROOT / room).rglob("*.py")]
    counted = "".join(path.read_text(encoding="utf-8") for path in rooms)
    english, chinese = (
        METRIC.findall((ROOT / "deploy" / name).read_text(encoding="utf-8"))
        for name in ("RUNBOOK.md", "RUNBOOK.zh-CN.md")
    )

    assert english == chinese
    assert len(english) >= 10
    assert [one for one in english if f'"{one.removesuffix("_total")}"' not in counted] == []
