"""Names use the words of the field, in Python and in the page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from house.our_files import deployment_files, name_of, page_files, product_files, tree_of

# A sensor is an instrument, a threshold or setpoint a limit, an alert an alarm.
BANNED = re.compile(r"\b(sensors?|thresholds?|setpoints?|alerts?)\b", re.IGNORECASE)
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_$]")
TYPESCRIPT_NAME = re.compile(r"[A-Za-z_$][\w$]*")
# Whatever begins first hides the beginnings of the others. What stands in a `template` is kept,
# because it may hold names; its plain words have to be the field's too.
TYPESCRIPT_UNNAMED = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.DOTALL | re.VERBOSE
)


def is_banned(name: str) -> bool:
    return BANNED.search(HUMP.sub(" ", name)) is not None


def python_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name


def typescript_names(text: str) -> set[str]:
    return set(TYPESCRIPT_NAME.findall(TYPESCRIPT_UNNAMED.sub(" ", text)))


PYTHON = [*product_files(), *deployment_files()]


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_python_uses_the_words_of_the_field(path: Path) -> None:
    assert [name for name in python_names(tree_of(path)) if is_banned(name)] == []


@pytest.mark.parametrize("path", page_files(), ids=name_of)
def test_the_page_uses_the_words_of_the_field(path: Path) -> None:
    names = typescript_names(path.read_text(encoding="utf-8"))
    assert sorted(name for name in [path.stem, *names] if is_banned(name)) == []


@pytest.mark.parametrize(
    "name", ["sensor", "SENSORS", "pressureSensor", "SensorView", "high_threshold", "HTTPAlert"]
)
def test_a_word_is_found_in_a_name(name: str) -> None:
    assert is_banned(name)


@pytest.mark.parametrize("name", ["alertness", "instrument", "sensorless", "resetpoint"])
def test_other_words_are_not_taken_for_it(name: str) -> None:
    assert not is_banned(name)


def test_strings_and_comments_of_the_page_are_no_names() -> None:
    text = """
      // The sensor's word.
      /* threshold "of */ const limit = "https://sensor";  // 'setpoint
      return <p role="alert" title={`${highThreshold}`}>{one}</p>;
    """
    names = typescript_names(text)
    assert {"limit", "highThreshold", "one"} <= names
    assert [name for name in names if is_banned(name)] == ["highThreshold"]


def test_python_names_are_read_wherever_they_stand() -> None:
    code = "import alert as thing\nfrom a import sensor\nb(threshold=1)\nclass C:\n    setpoint = 1"
    found = {name for name in python_names(ast.parse(code)) if is_banned(name)}
    assert found == {"sensor", "threshold", "setpoint"}
