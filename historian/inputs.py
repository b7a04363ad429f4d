"""The recorded inputs of a flush that are not scans, in their order (decision record 0002)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

INSERT_INPUT = """
    insert into input (site_id, flush_id, ordinal, kind, body) values (%s, %s, %s, %s, %s)
"""

InputKind = Literal[
    "configuration",
    "acknowledgement",
    "silence",
    "happening",
    "belief",
    "tick",
    "unstored_scans",
]


@dataclass(frozen=True, slots=True)
class InputWrite:
    """An input that is not a scan."""

    kind: InputKind
    body: dict[str, Any]


async def write_inputs(
    connection: AsyncConnection, site_id: int, flush_id: int, inputs: Sequence[InputWrite]
) -> None:
    """Record a flush's inputs that are not scans, in their order."""
    if not inputs:
        return
    async with connection.cursor() as cursor:
        await cursor.executemany(
            INSERT_INPUT,
            [
                (site_id, flush_id, ordinal, one.kind, Jsonb(one.body))
                for ordinal, one in enumerate(inputs)
            ],
        )
