"""YAML 1.2 as a tree that remembers lines, read without trusting the text.

The tree is built from the parser's events and nothing else, so that a file can construct no
object, expand no alias and nest no deeper than we allow. Scalars are read by the core schema
of YAML 1.2: ``on``, ``off``, ``yes`` and ``no`` are words, ``010`` is ten.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from telemetry.complaint import Complaint

BYTES_MAX: Final = 4 * 1024 * 1024  # Some 12,000 channels; reading them takes ten seconds.
NODES_MAX: Final = 300_000  # So that a file of mere brackets is soon refused.
DEPTH_MAX: Final = 24  # A site file needs about fifteen.
INTEGER_CHARACTERS_MAX: Final = 25  # What is longer counts nothing and is read as a float.

_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}

Scalar = str | int | float | bool | None


class Mark(NamedTuple):
    """A place in a text, as editors count: from 1."""

    line: int
    column: int


@dataclass(slots=True, eq=False)
class Node:
    """A value of the file and where it stands; `content` is a scalar, a list or a dict."""

    mark: Mark
    content: "Scalar | list[Node] | dict[str, Entry]"
    left_out: bool = False  # Set on what is broken, to go on looking at the rest.

    def kept_items(self) -> "list[Node]":
        """The items of a list that are not left out."""
        assert isinstance(self.content, list)
        return [item for item in self.content if not item.left_out]

    def plain(self) -> Any:  # noqa: ANN401 (it is whatever the file says)
        """The value without its places, and without what is left out."""
        if isinstance(self.content, dict):
            return {
                key: entry.node.plain()
                for key, entry in self.content.items()
                if not entry.node.left_out
            }
        if isinstance(self.content, list):
            return [item.plain() for item in self.kept_items()]
        return self.content


class KeptItems:
    """Finds items of lists by their numbers among those that are not left out.

    It looks each list through once, so what is left out must not change while it is asked.
    """

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[int, Node]]] = {}

    def find(self, inside: Node, number: int) -> tuple[int, Node] | None:
        """Find an item and its place in the file's own list; None beyond the end."""
        assert isinstance(inside.content, list)
        kept = self._known.get(id(inside))
        if kept is None:
            items = enumerate(inside.content)
            kept = self._known[id(inside)] = [(n, one) for n, one in items if not one.left_out]
        return kept[number] if number < len(kept) else None


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A value under a key, and where the key stands."""

    key_mark: Mark
    node: Node


def id_of(node: Node | None) -> str | None:
    """The id of a list item that has one, for naming its place."""
    if node is not None and isinstance(node.content, dict) and "id" in node.content:
        content = node.content["id"].node.content
        return content if isinstance(content, str) and content.isprintable() else None
    return None


class YamlError(ValueError):
    """The text is no YAML that we read; carries every complaint about it."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = complaints


def read_yaml(text: str, source_name: str) -> tuple[Node, list[Complaint]]:
    """Read a text into a tree; duplicate keys are complained about, the first one is kept."""
    builder = _Builder(source_name)
    if len(text.encode("utf-8", "surrogatepass")) > BYTES_MAX:
        builder.fail(Mark(1, 1), f"the file is larger than {BYTES_MAX} bytes", "a smaller file")
    for event in _events(text, builder):
        builder.take(event)
    if builder.root is None:
        builder.fail(Mark(1, 1), "the file is empty", "a mapping that begins with `site:`")
    if builder.fatal:
        raise YamlError(builder.complaints)
    assert builder.root is not None
    return builder.root, builder.complaints


def _events(text: str, builder: "_Builder") -> Iterator[Event]:
    reader = YAML(typ="safe", pure=True)
    try:
        yield from reader.parse(text.removeprefix("\ufeff"))
    except MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(place.line + 1, place.column + 1) if place else Mark(1, 1)
        context = f"{error.context}, " if error.context else ""
        builder.fail(mark, f"this is not YAML: {context}{error.problem}", "YAML 1.2")
    except ReaderError as error:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
        builder.fail(mark, "a character stands here that YAML does not allow", "printable text")
    except (YAMLError, ValueError, IndexError, AttributeError, TypeError) as error:
        # The parser meets some broken texts with errors of Python's own, which have no place.
        builder.fail(Mark(1, 1), f"this is not YAML: {error}", "YAML 1.2")


@dataclass(slots=True)
class _Open:
    """A list or mapping that has begun and not ended."""

    node: Node
    key_mark: Mark
    key: str | None = None
    expects_key: bool = False


@dataclass(slots=True)
class _Builder:
    source_name: str
    root: Node | None = None
    complaints: list[Complaint] = field(default_factory=list)
    fatal: bool = False
    documents: int = 0
    nodes: int = 0
    open: list[_Open] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Go on by one event of the parser."""
        mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, NodeEvent):
            self._refuse_references(event, mark)
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.fail(mark, "a second YAML document begins here", "one document in a file")
        elif isinstance(event, ScalarEvent):
            self._take_scalar(event, mark)
        elif isinstance(event, AliasEvent):
            self._place(Node(mark, None))
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._begin(Node(mark, {} if isinstance(event, MappingStartEvent) else []))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self.open.pop()

    def fail(self, mark: Mark, message: str, allowed: str) -> None:
        """Complain about something after which the tree cannot be used."""
        self._complain(mark, message, allowed)
        self.fatal = True
        raise YamlError(self.complaints)

    def _complain(self, mark: Mark, message: str, allowed: str) -> None:
        self.complaints.append(Complaint(self.source_name, *mark, self._where(), message, allowed))

    def _where(self) -> str:
        words: list[str] = []
        for depth, one in enumerate(self.open, start=1):
            if isinstance(one.node.content, list):
                inner = self.open[depth].node if depth < len(self.open) else None
                words.append(id_of(inner) or str(len(one.node.content) - (inner is not None)))
            elif one.key is not None:
                words.append(one.key)
        return ".".join(words)

    def _refuse_references(self, event: NodeEvent, mark: Mark) -> None:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            self._complain(mark, "anchors (&) and aliases (*) are not used here", "plain values")
            self.fatal = True
        elif getattr(event, "tag", None) is not None:
            self._complain(mark, "tags (!) are not used here", "plain values")
            self.fatal = True

    def _take_scalar(self, event: ScalarEvent, mark: Mark) -> None:
        text = str(event.value)
        if not text.isascii() and _SURROGATE.search(text):
            self.fail(mark, "half a character stands here (a lone surrogate)", "whole characters")
        if self.open and self.open[-1].expects_key:
            self.open[-1].key, self.open[-1].key_mark = key_of(text), mark
            self.open[-1].expects_key = False
        else:
            is_plain = not event.style
            if is_plain and text == "" and self.open and self.open[-1].key is not None:
                mark = self.open[-1].key_mark  # Nothing stands nowhere: its key's place is nearest.
            self._place(Node(mark, _scalar(text) if is_plain else text))

    def _begin(self, node: Node) -> None:
        if len(self.open) >= DEPTH_MAX:
            self.fail(node.mark, f"this is nested more than {DEPTH_MAX} deep", "less nesting")
        self._place(node)
        self.open.append(_Open(node, node.mark, expects_key=isinstance(node.content, dict)))

    def _place(self, node: Node) -> None:
        """Put a value where it belongs: into the innermost open list or mapping."""
        self.nodes += 1
        if self.nodes > NODES_MAX:
            self.fail(node.mark, f"the file holds more than {NODES_MAX} values", "a smaller file")
        if not self.open:
            self.root = node
            return
        inner = self.open[-1]
        if isinstance(inner.node.content, list):
            inner.node.content.append(node)
            return
        assert isinstance(inner.node.content, dict)
        if inner.expects_key:
            self.fail(node.mark, "a key must be a word or a number", "key: value")
        assert inner.key is not None
        if inner.key in inner.node.content:
            first = inner.node.content[inner.key].key_mark.line
            message = f"the key {inner.key} stands here again; it stands in line {first} already"
            self._complain(inner.key_mark, message, "each key once")
        else:
            inner.node.content[inner.key] = Entry(inner.key_mark, node)
        inner.expects_key = True


def key_of(text: str) -> str:
    """Read a key: 0 and 00 are one number, so they are one key.

    >>> key_of("007"), key_of("p-101")
    ('7', 'p-101')
    """
    return str(_scalar(text)) if _INTEGER.fullmatch(text) else text


def _scalar(text: str) -> Scalar:
    """Read an unquoted scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= INTEGER_CHARACTERS_MAX:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text.removeprefix("0o").removeprefix("0x"), base)
    if _FLOAT.fullmatch(text):
        return float(text)
    infinite = _INFINITE.fullmatch(text)
    if infinite:
        return float("nan") if infinite[3] else float(f"{infinite[1]}inf")
    return text
