"""A text of JSON is read as YAML would read it, or not at all."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from telemetry.json_tree import read_json
from telemetry.yaml_tree import YamlError, read_yaml

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(
        ["on", "~", "1e5", "007", "0x1f", "a: b", "- x", "\x85", "\u2028", "\ud83d\ude00"]
    ),
)
DOCUMENTS = st.dictionaries(
    st.one_of(st.text(min_size=1, max_size=5), st.sampled_from(["0", "00", "7", "0x1f", "a b"])),
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=5,
)
INDENTS = st.sampled_from([None, 0, 1, 4])


def read_as_yaml(text: str) -> tuple[object, bool]:
    """The plain content, and whether nothing was complained about."""
    try:
        root, complaints = read_yaml(text, "site.yaml")
    except YamlError:
        return None, False
    return root.plain(), not complaints


@settings(max_examples=300)
@given(document=DOCUMENTS, indent=INDENTS, ascii_only=st.booleans())
@example(document={"0": 1, "00": 2}, indent=None, ascii_only=True)
@example(document={"a": 10**30}, indent=None, ascii_only=True)
@example(document={"a": float("nan")}, indent=1, ascii_only=False)
def test_json_is_read_as_yaml_reads_it(
    document: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    soon = read_json(text)
    if soon is None:
        return  # YAML decides.
    plain, good = read_as_yaml(text)
    assert good
    assert repr(soon.plain()) == repr(plain)


@given(
    document=DOCUMENTS, cut=st.integers(0, 60), put=st.sampled_from(["", "{", '"', "\t", "#", ","])
)
def test_broken_json_is_left_to_yaml(document: dict[str, object], cut: int, put: str) -> None:
    whole = json.dumps(document)
    text = whole[:cut] + put + whole[cut + 1 :]
    soon = read_json(text)
    plain, good = read_as_yaml(text)
    if soon is not None and good:
        assert repr(soon.plain()) == repr(plain)


def test_a_usual_document_is_read_soon() -> None:
    text = json.dumps({"site": "mine", "name": {"zh": "矿"}, "limits": [1, 2.5, None, True, "x"]})
    assert read_json(text) is not None
    assert read_json(text.replace("2.5", "NaN")) is None
    assert read_json("site: mine") is None


def test_what_nests_too_deep_is_left_to_yaml() -> None:
    for depth in (22, 23, 24, 25):
        text = '{"a":' + "[" * depth + "]" * depth + "}"
        assert (read_json(text) is not None) == read_as_yaml(text)[1]
