"""Whatever stands in a file: it is a site, or it is refused with complaints, and nothing else."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.complaint import Complaint
from telemetry.conversion import GroupConverter
from telemetry.plan import plan_of
from telemetry.site_file import SiteFileError, read_site_text

TEXT = (Path(__file__).parents[1] / "site_files" / "north-mine.yaml").read_text(encoding="utf-8")
AS_JSON = read_site_text(TEXT, "site.yaml").model_dump_json(by_alias=True)
LINES = TEXT.splitlines(keepends=True)
YAML_LIKE = st.text(alphabet="ab01:-?[]{},&*!|>'\"%@`#~<=. \n\t\\\ufeff\u2028é\x85\0", max_size=80)
WORDS = st.sampled_from(
    [
        *("", "~", "null", "on", "true", "-1", "0", "1e400", ".nan", "-.inf", "0x1f", "0o9", "1_0"),
        *("[]", "{}", "[1, 2]", "{a: b}", "&a x", "*a", "!!int x", "|", "- x", "'", '"', "x: y"),
        *("2020-01-01", "99999999999999999999999999", "kPa", "linear", "p-101-pressure", "running"),
        *("channels", "limits", "levels", "blue", "\ud800", "a" * 500, "(" * 300, "p ** 9 ** 9"),
    ]
)


def complaints_about(text: str) -> list[Complaint]:
    try:
        site = read_site_text(text, "site.yaml")
    except SiteFileError as error:
        return error.complaints or [Complaint("", -1, -1, "", "refused without a complaint", "")]
    plan = plan_of(site)  # What has passed the rules can always be laid out and converted.
    for group in plan.groups:
        GroupConverter(group)
    return []


def read_or_refuse(text: str) -> None:
    lines = len(text.splitlines()) + 1
    for one in complaints_about(text):
        assert 1 <= one.line <= lines, one
        assert one.column >= 1
        assert one.message
        assert str(one).isprintable()


@given(text=st.one_of(st.text(max_size=200), YAML_LIKE))
def test_any_text(text: str) -> None:
    read_or_refuse(text)


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """The good file with a few words, lines or stretches taken out, doubled or replaced."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                del lines[at : at + draw(st.integers(1, 12))]
            case 1:
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case 2:
                key, colon, _ = lines[at].partition(":")
                lines[at] = f"{key}{colon} {draw(WORDS)}\n"
            case 3:
                words = lines[at].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(WORDS)
                lines[at] = " ".join(words)
            case 4:
                lines[at] = " " * draw(st.integers(0, 24)) + lines[at].lstrip()
            case _:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        lines = lines or [""]
    return "".join(lines)


@settings(max_examples=60, deadline=None)
@given(text=mutilated())
def test_mutilated_files(text: str) -> None:
    read_or_refuse(text)


PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["linear", "running", "p-101-pressure", "kPa", "state", "high"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(["kind", "id", "en", "zh", "blue", "red", "channel", "0"]),
                st.text(max_size=4),
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)


@st.composite
def with_other_values(draw: st.DrawFn) -> str:
    """The good file, as JSON, with values replaced by others of any type."""
    document = json.loads(AS_JSON)
    for _ in range(draw(st.integers(1, 3))):
        inner: Any = document
        while True:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(inner[key], dict | list) or draw(st.integers(0, 4)) == 0:
                inner[key] = draw(PLAIN)
                break
            inner = inner[key]
    return json.dumps(document)


@settings(max_examples=60, deadline=None)
@given(text=with_other_values())
def test_values_of_other_types(text: str) -> None:
    read_or_refuse(text)
