"""The page's build: its types and tests, when it builds, and what it says without a registry."""

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def build_page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_page", ROOT / "deploy" / "build_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Make a page's folder, with one part that only a registry could give."""
    (tmp_path / "src").mkdir()
    package = {"name": "page", "version": "1.0.0", "dependencies": {"preact": "11.2.0"}}
    lock = {
        **package,
        "lockfileVersion": 3,
        "packages": {
            "": package,
            "node_modules/preact": {"version": "11.2.0", "integrity": "sha512-AAAA"},
        },
    }
    (tmp_path / "package.json").write_text(json.dumps(package))
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    for name in ("index.html", "tsconfig.json", "vite.config.ts", "src/main.tsx"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_types_translations_and_decisions_of_the_page_hold(build_page: ModuleType) -> None:
    build_page.check_page(ROOT / "api" / "dashboard")


def test_a_page_is_built_again_only_when_a_source_is_newer(
    build_page: ModuleType, page: Path
) -> None:
    assert not build_page.is_built(page)
    (page / "dist").mkdir()
    index = page / "dist" / "index.html"
    index.write_text("")
    newest = max(source.stat().st_mtime for source in build_page.sources_of(page))
    os.utime(index, (newest, newest))
    assert build_page.is_built(page)
    os.utime(page / "src" / "main.tsx", (newest + 1, newest + 1))
    assert not build_page.is_built(page)


def test_without_a_registry_the_build_says_what_helps(
    build_page: ModuleType, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(page / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(build_page.PageError, match=r"does not answer .ECONNREFUSED") as told:
        build_page.build_page(page, say=str)
    assert "npm_config_registry" in str(told.value)
    assert not (page / "dist").exists()
