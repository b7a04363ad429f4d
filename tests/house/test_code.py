"""The shape of functions and classes, and where the environment may be asked."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from house.our_files import deployment_files, name_of, product_files, tree_of

CODE = [*product_files(), *deployment_files()]
FUNCTION_LINES_MAX = 39  # "Functions under 40"; a docstring may be as long as it needs to be.
BANNED_CLASS_ENDINGS = ("Manager", "Handler", "Processor", "Helper")
# A supervisor tells its services by the environment that they are supervised; the build of the
# page runs other people's programs, and has no settings.
MAY_ASK_THE_ENVIRONMENT = {"telemetry/lifetime.py", "deploy/build_page.py"}
# The command line hands the environment to the settings of the edge, which ask it.
MAY_HAND_IT_OVER = {"groundwatch.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def lines_of(function: Function) -> int:
    """From the signature to the last line, less the docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        assert docstring.end_lineno is not None
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def long_functions(tree: ast.Module) -> list[str]:
    return [
        f"{node.name}: {lines_of(node)} lines"
        for node in ast.walk(tree)
        if isinstance(node, Function) and lines_of(node) > FUNCTION_LINES_MAX
    ]


def things_that_manage(tree: ast.Module) -> list[str]:
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith(BANNED_CLASS_ENDINGS)
    ]


def questions_to_the_environment(tree: ast.Module, *, may_hand_over: bool = False) -> list[int]:
    """The lines that read the environment; to pass all of it on to a process reads nothing."""
    passed_on: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            passed_on |= {value for key, value in pairs if key is None}
        elif isinstance(node, ast.Call) and may_hand_over:
            passed_on |= set(node.args)
    return [node.lineno for node in _mentions(tree) if node not in passed_on]


def _mentions(tree: ast.Module) -> Iterator[ast.Attribute | ast.ImportFrom]:
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in names:
                yield node
            case ast.ImportFrom(module="os", names=found) if names & {one.name for one in found}:
                yield node


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    assert long_functions(tree_of(path)) == []


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_no_class_is_a_manager_of_things(path: Path) -> None:
    assert things_that_manage(tree_of(path)) == []


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_only_settings_ask_the_environment(path: Path) -> None:
    if name_of(path) in MAY_ASK_THE_ENVIRONMENT or path.stem.endswith("settings"):
        return
    handing = name_of(path) in MAY_HAND_IT_OVER
    assert questions_to_the_environment(tree_of(path), may_hand_over=handing) == []


def test_a_function_is_measured_without_its_docstring() -> None:
    head, docstring = "async def one() -> None:\n", '    """Say.\n\n    More.\n    """\n'
    assert long_functions(ast.parse(head + docstring + "    x = 1\n" * 38)) == []
    assert long_functions(ast.parse(head + docstring + "    x = 1\n" * 39)) == ["one: 40 lines"]


def test_a_class_that_handles_is_found() -> None:
    assert things_that_manage(ast.parse("class AlarmHandler(Base): ...\nclass Alarm: ...")) == [
        "AlarmHandler"
    ]


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("os.environ['A']", True),
        ("os.environ.get('A', 'b')", True),
        ("'A' in os.environ", True),
        ("x = os.environ", True),
        ("os.getenv('A')", True),
        ("from os import environ", True),
        ("read(options, os.environ)", True),
        ("run(env={**os.environ, 'A': 'b'})", False),
        ("os.path.join('a', 'b')", False),
    ],
)
def test_reading_the_environment_is_told_from_passing_it_on(code: str, reads: bool) -> None:
    assert bool(questions_to_the_environment(ast.parse(code))) is reads


def test_who_may_hand_the_environment_over_may_not_ask_it() -> None:
    handed, asked = ast.parse("read(options, os.environ)"), ast.parse("os.environ.get('A')")
    assert questions_to_the_environment(handed, may_hand_over=True) == []
    assert questions_to_the_environment(asked, may_hand_over=True) == [1]
