"""The files that the rules of the house are about, and how they are read."""

import ast
from functools import cache
from pathlib import Path

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


def product_files() -> list[Path]:
    folders = [ROOT / room for room in ROOMS]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    return sorted([*files, *ROOT.glob("groundwatch*.py")])


def deployment_files() -> list[Path]:
    return sorted((ROOT / "deploy").glob("*.py"))


def files_of_tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


def page_files() -> list[Path]:
    page = ROOT / "api" / "dashboard"
    return sorted(
        path
        for pattern in ("src/**/*.ts", "src/**/*.tsx", "tests/**/*.ts")
        for path in page.glob(pattern)
    )


def our_files() -> list[Path]:
    return [*product_files(), *deployment_files(), *files_of_tests(), *page_files()]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
