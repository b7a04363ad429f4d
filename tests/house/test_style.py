"""Taste that a machine can check: the rules of the house, over every file of ours."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("telemetry", "historian", "ingest", "alarms", "api", "edge_agent", "simulators")
LINES_MAX = 400
BANNED_STEMS = {"utils", "helpers", "common", "core", "types", "misc"}
BANNED_CLASS_ENDINGS = ("Manager", "Processor", "Helper")
# The field's words: a sensor is an instrument, a threshold or setpoint a limit, an alert an alarm.
BANNED_WORDS = re.compile(r"\b(sensors?|thresholds?|setpoints?|alerts?)\b", re.IGNORECASE)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b|coming soon", re.IGNORECASE)


def product_files() -> list[Path]:
    folders = [ROOT / room for room in ROOMS]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    return sorted([*files, ROOT / "groundwatch.py"])


def our_files() -> list[Path]:
    pages = [
        path
        for pattern in ("src/**/*.ts", "src/**/*.tsx")
        for path in (ROOT / "api" / "dashboard").glob(pattern)
    ]
    return [*product_files(), *sorted((ROOT / "tests").rglob("*.py")), *pages]


def names(files: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in files]


def test_no_file_has_two_jobs() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in our_files()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }

    assert long == {}


def test_no_file_is_a_grab_bag() -> None:
    assert [name for name in names(our_files()) if Path(name).stem in BANNED_STEMS] == []


def test_no_class_is_a_manager_of_things() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith(BANNED_CLASS_ENDINGS)
    ]

    assert found == []


@pytest.mark.parametrize("path", product_files(), ids=names(product_files()))
def test_names_use_the_words_of_the_field(path: Path) -> None:
    found = [name for name in identifiers(path) if BANNED_WORDS.search(name.replace("_", " "))]

    assert found == []


def identifiers(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def test_nothing_is_left_unfinished() -> None:
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in our_files()
        if path != here
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if UNFINISHED.search(line)
    ]

    assert found == []


def test_every_room_says_what_it_is_for() -> None:
    for room in ROOMS:
        text = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text("utf-8")))
        assert text is not None
        assert len(text.split()) >= 15, f"{room} should say what it is for and what it may touch"


def test_every_room_is_in_an_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    governed = {name.split(".")[0] for one in contracts for name in one["source_modules"]}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

    assert packages == set(ROOMS)
    assert packages <= governed


def test_every_file_of_the_product_is_type_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    checked = {ROOT / name for name in settings["tool"]["mypy"]["files"]}
    files = [*product_files(), *(ROOT / "deploy").glob("*.py"), *ROOT.glob("*.py")]

    unchecked = [path for path in files if checked.isdisjoint({path, *path.parents})]
    assert names(unchecked) == []


def test_pure_files_are_named_in_the_contract() -> None:
    """A detector file that is not under the contract could begin to log or to wait unseen."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    pure = next(one for one in contracts if one["name"].startswith("pure files"))["source_modules"]
    with_database = {"alarms.journal", "alarms.outbox", "alarms.__init__"}
    alarms = {f"alarms.{path.stem}" for path in (ROOT / "alarms").glob("*.py")}

    assert "telemetry" in pure
    assert "alarms.detectors" in pure
    assert alarms - with_database - set(pure) == set()


def test_nothing_names_a_machine_or_a_registry() -> None:
    """The project speaks of itself only: no path of a builder's machine, no index address."""
    suspicious = re.compile(r"(?<![\w.])/(?:work|farm|root)/|https?://(?:registry|files|index)\.")
    texts = [*our_files(), ROOT / "requirements.lock", ROOT / "Makefile", ROOT / "pyproject.toml"]
    texts += [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    texts += [ROOT / "api" / "dashboard" / "package-lock.json"]
    here = Path(__file__)
    found = [
        str(path.relative_to(ROOT))
        for path in texts
        if path != here and path.exists() and suspicious.search(path.read_text(encoding="utf-8"))
    ]

    assert found == []
