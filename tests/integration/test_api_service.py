"""API and notifier as processes: they end when asked, and when their supervisor is gone."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from ground import START_US
from psycopg import AsyncConnection
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from historian import tokens
from historian.tokens import Scope
from telemetry.clock import ScenarioClock, write_clock_file
from telemetry.lifetime import CANNOT_START

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def service(
    *arguments: str, dsn: str, supervised: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "groundwatch",
        *arguments,
        cwd=ROOT,
        env=os.environ
        | {"GROUNDWATCH_DSN": dsn, "GROUNDWATCH_SUPERVISED": "1" if supervised else "0"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def up(port: int) -> None:
    async with (
        asyncio.timeout(TIMEOUT_S),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        while True:
            try:
                if (await client.get("/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                continue


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(TIMEOUT_S):
        return await process.wait()


async def test_sigterm_ends_the_api_and_tells_its_clients(
    postgres_dsn: str, connection: AsyncConnection
) -> None:
    viewer = await tokens.create_token(connection, Scope.VIEWER, None, None, "test", START_US)
    port = free_port()
    async with service("api", "--port", str(port), dsn=postgres_dsn) as process:
        await up(port)
        async with connect(
            f"ws://127.0.0.1:{port}/api/v1/live",
            additional_headers={"authorization": f"Bearer {viewer}"},
            proxy=None,
        ) as line:
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await line.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert await ended(process) == 0


async def test_the_api_ends_with_its_supervisor(postgres_dsn: str) -> None:
    port = free_port()
    async with service("api", "--port", str(port), dsn=postgres_dsn, supervised=True) as process:
        await up(port)
        assert process.stdin is not None
        process.stdin.close()
        assert await ended(process) == 0


async def test_the_api_serves_before_the_scenario_begins_and_takes_its_clock(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    viewer = await tokens.create_token(connection, Scope.VIEWER, None, None, "test", START_US)
    port, clock = free_port(), tmp_path / "clock.json"
    arguments = ("api", "--port", str(port), "--clock", str(clock))
    async with (
        service(*arguments, dsn=postgres_dsn),
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {viewer}"},
            trust_env=False,
        ) as client,
    ):
        await up(port)
        before = (await client.get("/api/v1/clock")).json()
        assert before["rate"] == 1.0
        write_clock_file(clock, ScenarioClock(ScenarioClock(0, 0, 1.0).now_us(), START_US, 60.0))
        async with asyncio.timeout(TIMEOUT_S):
            while (after := (await client.get("/api/v1/clock")).json())["rate"] != 60.0:
                pass
        assert after["now_at"].startswith("2025-07-01T00:")


async def test_a_taken_port_is_a_sentence(postgres_dsn: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with service("api", "--port", str(port), dsn=postgres_dsn) as process:
            assert process.stdout is not None
            said = (await process.stdout.read()).decode()
            assert await ended(process) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "--port" in said
    assert "Traceback" not in said


async def test_the_notifier_ends_when_asked(postgres_dsn: str) -> None:
    async with service("notify", dsn=postgres_dsn, supervised=True) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert await ended(process) == 0


async def test_a_wrong_destinations_file_starts_nothing(postgres_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "webhooks.toml"
    document = {"id": "phone", "url": "http://elsewhere.example/x", "secret_file": "none"}
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in document.items())
    path.write_text(f"[[webhook]]\n{lines}\n", encoding="utf-8")
    async with service("notify", "--webhooks", str(path), dsn=postgres_dsn) as process:
        assert process.stdout is not None
        said = (await process.stdout.read()).decode()
        assert await ended(process) == CANNOT_START
    assert "unencrypted" in said
    assert "Traceback" not in said
