"""Changes to documents: JSON, msgpack and YAML are trees, and stay such while they change."""

import copy
import random
from collections.abc import Sequence
from typing import Any, Final

ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**40),
    *(0.0, -0.0, 1e-320, 1e308, float("inf"), float("nan"), 0.1, 1e17),
    *("", " ", "\0", "\u2028", "é", "水", "x" * 300, "1e9", "NaN", "-", "0", "1_0", "٣"),
    *("2025-07-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"),
    *([], {}, [[]], [{}], {"": None}),
)


def changed_tree(tree: Any, chance: random.Random, words: Sequence[Any]) -> Any:
    """Change a few places of a tree: a value, a key, an item left out, doubled or moved."""
    root = [copy.deepcopy(tree)]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        holders = [one for one in _holders(root) if one]
        _change(chance.choice(holders), chance, words)
        if not root:
            root = [None]
    return root[0]


def _holders(root: list[Any]) -> list[Any]:
    """All lists and objects, outermost first."""
    found, waiting = [], [root]
    while waiting:
        one = waiting.pop()
        found.append(one)
        inner = list(one.values()) if isinstance(one, dict) else one
        waiting += [value for value in inner if isinstance(value, dict | list)]
    return found


def _change(holder: Any, chance: random.Random, words: Sequence[Any]) -> None:
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    key = chance.choice(keys)
    other = chance.choice(keys)
    kind = chance.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[str(chance.choice(words or ("x",)))] = holder.pop(key)
    elif kind == 1:
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 2:
        holder[key], holder[other] = holder[other], holder[key]
    elif kind == 3:
        holder[key] = _varied(holder[key], chance)
    else:
        holder[key] = copy.deepcopy(chance.choice((*ODD, *words)))


def _varied(value: Any, chance: random.Random) -> Any:
    """Something near a value, of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return chance.choice(
            (value + 1, value - 1, -value, value * 2, value ^ 1 << chance.randrange(70))
        )
    if isinstance(value, float):
        return chance.choice((-value, value * 10, value + 1, value / 3, float(round(value, 3))))
    if isinstance(value, str | bytes):
        at, end = sorted(chance.randrange(len(value) + 1) for _ in range(2))
        return chance.choice((value[:at] + value[end:], value[:end] + value[at:], value[at:end]))
    return [copy.deepcopy(value)] if chance.random() < 0.5 else {"x": copy.deepcopy(value)}
