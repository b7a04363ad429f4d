"""Taste that a machine can check: the rules of the house, over every file of ours."""

import ast
import re
import tomllib
from pathlib import Path

from house.our_files import ROOMS, ROOT, deployment_files, name_of, our_files, product_files

LINES_MAX = 400
BANNED_STEMS = {"utils", "helpers", "common", "core", "types", "misc"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b|coming soon", re.IGNORECASE)


def test_no_file_has_two_jobs() -> None:
    long = {
        name_of(path): count
        for path in our_files()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }

    assert long == {}


def test_no_file_is_a_grab_bag() -> None:
    assert [name_of(path) for path in our_files() if path.stem in BANNED_STEMS] == []


def test_nothing_is_left_unfinished() -> None:
    here = Path(__file__)
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
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
    files = [*product_files(), *deployment_files(), *ROOT.glob("*.py")]

    unchecked = [path for path in files if checked.isdisjoint({path, *path.parents})]
    assert [name_of(path) for path in unchecked] == []


def test_pure_files_are_named_in_the_contract() -> None:
    """A detector file that is not under the contract could begin to log or to wait unseen."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    pure = next(one for one in contracts if one["name"].startswith("pure files"))["source_modules"]
    with_database = {"alarms.journal", "alarms.outbox", "alarms.__init__"}
    alarms = {f"alarms.{path.stem}" for path in (ROOT / "alarms").glob("*.py")}
    packages = {f"alarms.{path.parent.name}" for path in (ROOT / "alarms").glob("*/__init__.py")}

    assert "telemetry" in pure
    assert alarms - with_database - set(pure) == set()
    beside = {
        "alarms.notify",
        "alarms.replaying",
        "alarms.backtest",
        "alarms.suggestion",
        "alarms.waveforms",
    }
    assert packages - beside - set(pure) == set()


def test_nothing_names_a_machine_or_a_registry() -> None:
    """The project speaks of itself only: no path of a builder's machine, no index address."""
    suspicious = re.compile(r"(?<![\w.])/(?:work|farm|root)/|https?://(?:registry|files|index)\.")
    texts = [*our_files(), ROOT / "requirements.lock", ROOT / "Makefile", ROOT / "pyproject.toml"]
    texts += [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    texts += [ROOT / "api" / "dashboard" / "package-lock.json"]
    here = Path(__file__)
    found = [
        name_of(path)
        for path in texts
        if path != here and path.exists() and suspicious.search(path.read_text(encoding="utf-8"))
    ]

    assert found == []
