"""Tests wait for what happens; they sleep in no other place than where they look again."""

import ast
from pathlib import Path

import pytest
from house.our_files import files_of_tests, name_of, tree_of

LOOKS_AGAIN = "tests/waiting.py"
SLEEPS = {"sleep", "wait_for_timeout"}  # Of asyncio, time, and the browser.


def sleeps(tree: ast.Module) -> list[int]:
    """The lines that sleep for a length that no clock has told; 0 only lets the others run."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and _called(node.func) in SLEEPS
        and not _is_zero(node)
        and not any(isinstance(part, ast.Call) for one in node.args for part in ast.walk(one))
    ]


def _called(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _is_zero(call: ast.Call) -> bool:
    match call.args:
        case [ast.Constant(value=0)]:
            return True
    return False


@pytest.mark.parametrize("path", files_of_tests(), ids=name_of)
def test_no_test_sleeps(path: Path) -> None:
    if name_of(path) != LOOKS_AGAIN:
        assert sleeps(tree_of(path)) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("await asyncio.sleep(0.05)", True),
        ("await asyncio.sleep(TIMEOUT_S * 1.3)", True),
        ("time.sleep(1)", True),
        ("sleep(1)", True),
        ("await page.wait_for_timeout(50)", True),
        ("await asyncio.sleep(0)", False),
        ("await asyncio.sleep(clock.real_s_until(at_us))", False),
        ("await stop.wait()", False),
    ],
)
def test_a_sleep_is_told_from_other_waits(code: str, found: bool) -> None:
    assert bool(sleeps(ast.parse(code))) is found
