"""Changes to files of YAML: a line, a word or a value, so that the rest stays readable."""

import random
from collections.abc import Sequence

from fuzz.documents import changed_json
from fuzz.target import Change
from fuzz.trees import ODD

ODD_WORDS = (
    *("", "~", "null", "on", "true", "-1", "0", "1e400", ".nan", "-.inf", "0x1f", "0o9", "1_0"),
    *("[]", "{}", "[1, 2]", "{a: b}", "&a x", "*a", "!!int x", "|", "- x", "'", '"', "x: y", "? a"),
    *("2020-01-01", "9" * 26, "\u2028", "\ufeff", "é", "%YAML 1.1", "---", "# x", "\t"),
)


def changed_yaml(data: bytes, chance: random.Random, change: Change, words: Sequence[str]) -> bytes:
    """Change a document: as JSON where it is written so, and by its lines otherwise."""
    if data[:1] == b"{" and chance.random() < 0.9:
        return changed_json(data, chance, change, (*words, *ODD))
    lines = data.split(b"\n")
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    word = chance.choice((*ODD_WORDS, *words)).encode()
    key, colon, _ = lines[at].partition(b": ")
    parts = lines[at].split(b" ")
    match chance.randrange(8):
        case 0:
            del lines[at : at + chance.randint(1, 6)]
        case 1:
            lines.insert(other, lines[at])
        case 2 | 3:
            lines[at] = key + colon + word
        case 4:
            parts[chance.randrange(len(parts))] = word
            lines[at] = b" ".join(parts)
        case 5:
            lines[at] = b" " * chance.randrange(24) + lines[at].lstrip()
        case 6:
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at] = change(lines[at])
    return b"\n".join(lines)
