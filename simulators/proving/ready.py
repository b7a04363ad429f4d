"""How to reach a centre that has said it is ready."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Addresses:
    """What `groundwatch serve --ready-file` writes."""

    dsn: str
    api: str
    line: str
    sign_in: str


def read_addresses(path: Path) -> Addresses:
    """Read the ready file of a centre."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Addresses(
        dsn=document["dsn"],
        api=document["api"],
        line=document["line"],
        sign_in=document["sign_in"],
    )
