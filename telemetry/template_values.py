"""Values in templates: `$parameter`, and `{of: parameter, times: 2}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from telemetry.yaml_tree import Entry, Mark, Node, Scalar

REFERENCE: Final = re.compile(r"\$([a-z][a-z0-9_]*)")
OF: Final = frozenset({"of", "times"})
PERIOD: Final = "period"
RESOLUTION: Final = "resolution"


class Unanswered(Exception):  # noqa: N818 - no error: a rule waits for a number of the site's own
    """A parameter that nobody has given; the message says which."""


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """What stands for parameters in one channel."""

    given: Mapping[str, Node]  # By the site.
    asks: Node | None  # What the template asks for, and what it takes where nothing is given.
    period: Node | None  # Of the channel's group.
    resolution: Node | None  # Of the channel.

    def of(self, name: str) -> Scalar:
        """Find a value; raise `Unanswered` where there is none."""
        if name in self.given and self.given[name].content is not None:
            return _scalar(self.given[name])
        own = {PERIOD: self.period, RESOLUTION: self.resolution}
        node = own[name] if name in own else _inside(self._asked(name), "value")
        value = None if node is None else _scalar(node)
        if value is None:
            raise Unanswered(f"waits for {name}")
        return value

    def is_optional(self, name: str) -> bool:
        """Tell whether only the key is left out that needs a parameter."""
        node = _inside(self._asked(name), "optional")
        return node is not None and node.content is True

    def _asked(self, name: str) -> Node | None:
        return _inside(self.asks, name)


def resolved(node: Node, values: Values, mark: Mark | None) -> Node:
    """Copy a value with its parameters filled in; a copy stands at `mark`, or where it stood."""
    here = mark or node.mark
    content = node.content
    if isinstance(content, str) and (found := REFERENCE.fullmatch(content)):
        return Node(here, values.of(found[1]))
    if isinstance(content, dict):
        if content and set(content) <= OF and "of" in content:
            return Node(here, _product(content, values))
        copied: dict[str, Entry] = {}
        for key, entry in content.items():
            name = _reference(entry.node)
            if name is not None and values.is_optional(name):
                try:
                    copied[key] = Entry(here, resolved(entry.node, values, mark))
                except Unanswered:
                    continue
            else:
                copied[key] = Entry(here, resolved(entry.node, values, mark))
        return Node(here, copied)
    if isinstance(content, list):
        return Node(here, [resolved(item, values, mark) for item in content])
    return Node(here, content)


def size_of(node: Node) -> int:
    """Count the values of a part."""
    if isinstance(node.content, dict):
        return 1 + sum(size_of(entry.node) for entry in node.content.values())
    return 1 + sum(map(size_of, node.content)) if isinstance(node.content, list) else 1


def _product(content: Mapping[str, Entry], values: Values) -> Scalar:
    of = content["of"].node.content
    value = values.of(of) if isinstance(of, str) else None
    times = content["times"].node.content if "times" in content else 1
    if not _is_number(value) or not _is_number(times):
        return None  # The models say that a number is missing here.
    assert isinstance(value, int | float)
    assert isinstance(times, int | float)
    return float(f"{value * times:.12g}")  # 3 x 0.1 is 0.3 for whoever reads it.


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reference(node: Node) -> str | None:
    content = node.content
    if isinstance(content, str) and (found := REFERENCE.fullmatch(content)):
        return found[1]
    if isinstance(content, dict) and "of" in content and set(content) <= OF:
        of = content["of"].node.content
        return of if isinstance(of, str) else None
    return None


def _scalar(node: Node) -> Scalar:
    return None if isinstance(node.content, dict | list) else node.content


def _inside(node: Node | None, key: str) -> Node | None:
    if node is None or not isinstance(node.content, dict) or key not in node.content:
        return None
    return node.content[key].node
