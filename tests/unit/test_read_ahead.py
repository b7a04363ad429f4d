"""What is read ahead of a line is bounded, and comes out whole and in order."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ingest import read_ahead as module
from ingest.read_ahead import MESSAGE_BYTES, read_ahead


class Endless:
    """A connection over which one message after the other comes."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.read < self.count:
            self.read += 1
            yield bytes([self.read])


async def test_reading_stops_when_much_waits_and_goes_on_when_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 3 * (MESSAGE_BYTES + 1))
    connection = Endless(9)
    async with read_ahead(connection) as messages:  # type: ignore[arg-type]
        for _ in range(20):
            await asyncio.sleep(0)
        assert connection.read == 3
        taken = [message async for message in messages]

    assert taken == [bytes([n]) for n in range(1, 10)]
