"""Changes written into the text of a site file: only what changes is touched, comments stay."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from alarms.suggestion.proposal import Proposal

GROUPS: Final = ("scan_groups", "calculated_groups")


class SiteEditError(Exception):
    """A change finds no place in the text; the message names the channel."""


@dataclass(frozen=True, slots=True)
class _Edit:
    begin: int
    end: int
    words: str


def edited(text: str, proposals: Iterable[Proposal]) -> str:
    """Write proposals into a site file that is known to be one."""
    channels = _channels(YAML(typ="rt", pure=True).compose(text))
    edits: list[_Edit] = []
    for one in proposals:
        node = channels[one.channel]
        if one.limits is not None:
            edits += _edits_of(text, node, {"limits": one.limits}, one.channel)
        for (part, number), words in _by_part(one).items():
            items = _value(node, part)
            if not isinstance(items, SequenceNode):
                raise SiteEditError(f"channel {one.channel} has no list of {part} of its own.")
            edits += _edits_of(text, items.value[number], words, one.channel)
    for edit in sorted(edits, key=lambda one: one.begin, reverse=True):
        text = text[: edit.begin] + edit.words + text[edit.end :]
    return text


def diff_of(before: str, after: str, name: str) -> str:
    """Say the difference as `patch` reads it."""
    lines = unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, name
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _by_part(of: Proposal) -> dict[tuple[str, int], dict[str, str]]:
    parts: dict[tuple[str, int], dict[str, str]] = {}
    for one in of.changes:
        parts.setdefault((one.part, one.number), {})[one.key] = one.words
    return parts


def _edits_of(text: str, node: MappingNode, words: dict[str, str], channel: str) -> Iterator[_Edit]:
    missing: dict[str, str] = {}
    for key, said in words.items():
        value = _value(node, key)
        if value is None:
            missing[key] = said
        else:
            yield _Edit(value.start_mark.index, value.end_mark.index, said)
    if missing:
        yield _written(text, node, missing, channel)


def _written(text: str, node: MappingNode, words: dict[str, str], channel: str) -> _Edit:
    """Write new keys behind the last plain value of a mapping, in the mapping's own style."""
    plain = [
        (key, value)
        for key, value in node.value
        if isinstance(value, ScalarNode) and value.start_mark.line == value.end_mark.line
    ]
    if not plain:
        raise SiteEditError(f"a part of channel {channel} has no plain value to write behind.")
    key, value = plain[-1]
    said = [f"{name}: {what}" for name, what in words.items()]
    if node.flow_style:
        at = value.end_mark.index
        return _Edit(at, at, "".join(f", {one}" for one in said))
    end = text.find("\n", value.end_mark.index)
    at = len(text) if end < 0 else end
    indent = "\n" + " " * key.start_mark.column
    return _Edit(at, at, "".join(f"{indent}{one}" for one in said))


def _channels(root: Node) -> dict[str, MappingNode]:
    found: dict[str, MappingNode] = {}
    for structure in _items(root, "structures"):
        for station in _items(structure, "stations"):
            for group in [one for kind in GROUPS for one in _items(station, kind)]:
                for channel in _items(group, "channels"):
                    name = _value(channel, "id")
                    assert name is not None
                    found[str(name.value)] = channel
    return found


def _items(node: Node, key: str) -> list[MappingNode]:
    value = _value(node, key)
    return [] if value is None else list(value.value)


def _value(node: Node, key: str) -> Node | None:
    return next((value for name, value in node.value if name.value == key), None)
