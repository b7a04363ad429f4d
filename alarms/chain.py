"""The journal's chain: each entry's hash covers its text and the hash of the entry before.

Whoever changes, leaves out or moves an entry breaks the chain from there on.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from alarms.transition import Transition

GENESIS: Final = bytes(32)  # What the first entry is chained to.


def entry_body(transition: Transition, number: int, stored_us: int) -> str:
    """Write a journal entry as canonical JSON: keys sorted, no spaces, no NaN."""
    return json.dumps(
        {
            "number": number,
            "key": transition.key,
            "occurrence": transition.occurrence,
            "change": transition.change.value,
            "kind": transition.kind.value,
            "structure": transition.structure,
            "channel": transition.channel,
            "rule": transition.rule,
            "level": transition.level.name.lower(),
            "previous_level": transition.previous_level.name.lower(),
            "state": transition.state.value,
            "sampled_us": transition.sampled_us,
            "stored_us": stored_us,
            "evidence": transition.evidence,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def chain_hash(previous: bytes, body: str) -> bytes:
    """Hash an entry's text together with the hash before it (SHA-256).

    >>> chain_hash(GENESIS, "{}").hex()[:8]
    'fb1634c4'
    """
    return hashlib.sha256(previous + body.encode("utf-8")).digest()


def verify(
    entries: Iterable[tuple[int, str, bytes]], *, number: int = 0, previous: bytes = GENESIS
) -> int | None:
    """Return the first number that does not fit, or None; entries are (number, body, hash).

    To verify a later part, give the number and the hash of the entry before it.
    """
    for found, body, stored in entries:
        previous = chain_hash(previous, body)
        if found != number + 1 or stored != previous or not _says(body, found):
            return number + 1
        number = found
    return None


def _says(body: str, number: int) -> bool:
    """Tell whether an entry's own text has its number."""
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("number") == number
