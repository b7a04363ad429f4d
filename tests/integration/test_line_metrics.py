"""What ingest counts is told to programs with a token of all sites, and to nobody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import httpx
import pytest

from historian.tokens import Scope, Token
from ingest.conversation import LineParts, StreamRefusedError
from ingest.inbox import Inbox
from ingest.line import listen, open_line
from telemetry.clock import MachineClock

TOKENS = {
    "of-all": Token("1", Scope.VIEWER, None, None, "all"),
    "of-one": Token("2", Scope.OPERATOR, "mine", None, "one"),
    "of-edge": Token("3", Scope.EDGE, "mine", "dam-edge", "edge"),
}


class Callers:
    """Stands where tokens are looked up."""

    is_away = False

    async def verify(self, sent: str) -> Token | None:
        if self.is_away:
            raise StreamRefusedError("not_ready", "the database is away")
        return TOKENS.get(sent)


async def ignored(*_: object) -> None:
    """Note nothing."""


async def nobody(*_: object) -> NoReturn:
    """Stand where streams are looked up; no edge calls here."""
    raise AssertionError


@asynccontextmanager
async def line(callers: Callers, *, open_metrics: bool = False) -> AsyncIterator[str]:
    """The edges' port, over HTTP."""
    parts = LineParts(
        inbox=Inbox(),
        clock=MachineClock(),
        verify=callers.verify,
        find=nobody,
        still_valid=nobody,
        open_stream=nobody,
        greet=lambda *_: None,
        note_line=ignored,
        note_heard=ignored,
        open_metrics=open_metrics,
    )
    async with await open_line(listen("127.0.0.1", 0), parts) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def answer_to(url: str, token: str | None = None) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=10, headers=headers) as client:
        return await client.get(url)


async def test_counters_are_for_tokens_of_all_sites() -> None:
    async with line(Callers()) as url:
        told = await answer_to(f"{url}/metrics", "of-all")
        assert told.status_code == 200
        assert "groundwatch_edge_lines_open" in told.text
        for token in (None, "wrong", "of-one", "of-edge"):
            assert (await answer_to(f"{url}/metrics", token)).status_code == 403, token
        assert (await answer_to(f"{url}/healthz")).status_code == 200


async def test_without_the_database_who_was_let_in_before_is_let_in() -> None:
    callers = Callers()
    async with line(callers) as url:
        assert (await answer_to(f"{url}/metrics", "of-all")).status_code == 200
        callers.is_away = True
        assert (await answer_to(f"{url}/metrics", "of-all")).status_code == 200
        assert (await answer_to(f"{url}/metrics", "of-one")).status_code == 403


async def test_counters_can_be_opened_to_the_own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with line(Callers(), open_metrics=True) as url:
        assert (await answer_to(f"{url}/metrics")).status_code == 200
        monkeypatch.setattr("ingest.admission.is_loopback", lambda _: False)
        assert (await answer_to(f"{url}/metrics")).status_code == 403
        assert (await answer_to(f"{url}/metrics", "of-all")).status_code == 200
