"""What ingest counts is told on its own machine, and to nobody else."""

from collections.abc import AsyncIterator
from typing import NoReturn

import httpx
import pytest

from ingest.inbox import Inbox
from ingest.line import LineParts, listen, open_line
from telemetry.clock import MachineClock


async def nobody(*_: object) -> NoReturn:
    """Stand where edges are looked up; no edge calls here."""
    raise AssertionError


@pytest.fixture
async def line_url() -> AsyncIterator[str]:
    """The edges' port, over HTTP."""
    parts = LineParts(
        inbox=Inbox(),
        clock=MachineClock(),
        verify=nobody,
        still_valid=nobody,
        open_stream=nobody,
        greet=lambda *_: None,
    )
    async with await open_line(listen("127.0.0.1", 0), parts) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def answer_to(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return await client.get(url)


async def test_the_own_machine_reads_metrics(line_url: str) -> None:
    answer = await answer_to(f"{line_url}/metrics")

    assert answer.status_code == 200
    assert "groundwatch_edge_lines_open" in answer.text


async def test_another_machine_reads_health_only(
    line_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def from_elsewhere(host: str) -> bool:
        seen.append(host)
        return False

    monkeypatch.setattr("ingest.line.is_loopback", from_elsewhere)

    assert (await answer_to(f"{line_url}/metrics")).status_code == 403
    assert (await answer_to(f"{line_url}/healthz")).status_code == 200
    assert seen == ["127.0.0.1"]
