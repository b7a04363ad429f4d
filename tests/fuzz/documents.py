"""Documents of JSON that change as documents, and numbers in them as JSON's and as plain text."""

import json
import random
from collections.abc import Sequence
from typing import Any

from fuzz.target import Change
from fuzz.trees import changed_tree


def changed_json(data: bytes, chance: random.Random, change: Change, words: Sequence[Any]) -> bytes:
    """Change what a document says; its text, where it says nothing that can be changed."""
    try:
        tree = changed_tree(json.loads(data), chance, words)
        return json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")
    except (ValueError, RecursionError, OverflowError):
        return change(data)


def as_json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
