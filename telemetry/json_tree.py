"""The same tree as `telemetry.yaml_tree` reads, twenty times as soon, where the text is JSON.

JSON is YAML, and large site files are written by programs. The parser of JSON tells no places, so
a tree from here has none: whoever finds a fault in it reads the text again as YAML, which does.
"""

import json
import re
from typing import Any, Final

from telemetry.yaml_tree import (
    BYTES_MAX,
    DEPTH_MAX,
    INTEGER_CHARACTERS_MAX,
    NODES_MAX,
    Entry,
    Mark,
    Node,
    key_of,
)

NOWHERE: Final = Mark(1, 1)
# YAML refuses these, or takes them for ends of lines; halves of characters may be escaped.
UNUSUAL: Final = re.compile(
    "[^\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    r"|\\u[dD][89a-fA-F]"
)


class _NotPlainError(ValueError):
    """The text is no JSON, or holds what YAML reads otherwise or refuses."""


def read_json(text: str) -> Node | None:
    """Read a text of plain JSON into a tree without places; None where YAML has to decide.

    >>> read_json('{"a": [1, "b"]}').plain()
    {'a': [1, 'b']}
    >>> read_json('{"a": 1, "a": 2}'), read_json("a: 1")
    (None, None)
    """
    if not text.lstrip().startswith("{") or len(text.encode("utf-8", "surrogatepass")) > BYTES_MAX:
        return None
    if UNUSUAL.search(text):
        return None
    try:
        plain = json.loads(
            text, object_pairs_hook=_each_once, parse_int=_integer, parse_constant=_refuse
        )
        return _Trees().tree(plain, 0)
    except (ValueError, RecursionError):
        return None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {key_of(key): one for key, one in pairs}
    if len(found) != len(pairs):
        raise _NotPlainError
    return found


def _integer(text: str) -> int:
    if len(text) > INTEGER_CHARACTERS_MAX:
        raise _NotPlainError
    return int(text)


def _refuse(_word: str) -> None:
    raise _NotPlainError  # NaN and Infinity are words in YAML.


class _Trees:
    """Makes nodes, up to as many as a file may hold."""

    def __init__(self) -> None:
        self._nodes = 0

    def tree(self, plain: Any, depth: int) -> Node:  # noqa: ANN401 (it is whatever the file says)
        self._nodes += 1
        if self._nodes > NODES_MAX or (depth >= DEPTH_MAX and isinstance(plain, dict | list)):
            raise _NotPlainError
        if isinstance(plain, dict):
            return Node(
                NOWHERE,
                {key: Entry(NOWHERE, self.tree(one, depth + 1)) for key, one in plain.items()},
            )
        if isinstance(plain, list):
            return Node(NOWHERE, [self.tree(one, depth + 1) for one in plain])
        return Node(NOWHERE, plain)
