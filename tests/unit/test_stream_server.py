"""The server that tests use: in the end nothing of it is open."""

import asyncio
from contextlib import suppress

import pytest
from stream_server import hang_up, stream_server

PATIENCE_S = 20.0


async def test_callers_who_neither_read_nor_leave_are_cut() -> None:
    came = asyncio.Event()
    full = b"x" * (1 << 24)  # More than two sockets hold.

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(full)
        came.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE_S):
        async with stream_server(answer) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await came.wait()
        with suppress(ConnectionError):  # Or an end, when all that was under way has been read.
            while await reader.read(1 << 20):
                pass
        await hang_up(writer)


async def test_what_goes_wrong_in_an_answer_fails_the_test() -> None:
    async def answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert await reader.read(1) == b"a"

    async def ask() -> None:
        async with stream_server(answer) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"b")
            await reader.read()
            await hang_up(writer)

    with pytest.raises(AssertionError):
        await asyncio.wait_for(ask(), PATIENCE_S)
