"""What a docstring shows is what happens: the examples in our files are run."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    "telemetry",
    "historian",
    "ingest",
    "alarms",
    "api",
    "carriers",
    "edge_agent",
    "simulators",
)
SHOWING = [
    path.relative_to(ROOT)
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if "node_modules" not in path.parts and ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", SHOWING, ids=str)
def test_the_examples_of_a_docstring_are_right(path: Path) -> None:
    module = importlib.import_module(".".join(path.with_suffix("").parts))

    found = doctest.testmod(module, verbose=False)

    assert found.attempted
    assert not found.failed, f"run `python -m doctest {path}` to see what differs"
