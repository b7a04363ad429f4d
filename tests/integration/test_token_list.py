"""Tokens on the command line: all are listed, none is given away, one can be ended."""

import asyncio

import pytest
from ground import START_US
from psycopg import AsyncConnection
from typer.testing import CliRunner, Result

from groundwatch import app
from historian import tokens
from historian.tokens import Scope
from ingest.token_list import HEADINGS


async def asked(dsn: str, *arguments: str) -> Result:
    """Run the command as somebody types it; it has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["tokens", "--dsn", dsn, *arguments])


@pytest.fixture
async def made(connection: AsyncConnection) -> str:
    return await tokens.create_token(
        connection, Scope.EDGE, "north-mine", "dam-edge", "dam\x1bbox", START_US
    )


async def test_tokens_are_listed_without_their_secrets(
    postgres_dsn: str, connection: AsyncConnection, made: str
) -> None:
    session = await tokens.create_token(
        connection,
        Scope.VIEWER,
        None,
        None,
        "session",
        START_US + 1_000_000,
        lifetime_s=60.0,
        parent=tokens.token_id_of(made),
    )
    listed = await asked(postgres_dsn)

    assert listed.exit_code == 0
    headings, first, second = listed.stdout.splitlines()
    assert headings.split() == list(HEADINGS)
    assert first.split() == [
        *(str(tokens.token_id_of(made)), "edge", "north-mine", "dam-edge", "dam", "box"),
        *("2025-07-01T00:00:00Z", "-", "-"),
    ]
    assert second.split()[:5] == [str(tokens.token_id_of(session)), "viewer", "all", "-", "session"]
    for token in (made, session):
        assert token.split("_", 2)[2] not in listed.stdout


@pytest.mark.parametrize("whole", [True, False])
async def test_a_token_is_ended_by_its_id_or_by_itself(
    postgres_dsn: str, connection: AsyncConnection, made: str, whole: bool
) -> None:
    token_id = str(tokens.token_id_of(made))
    ended = await asked(postgres_dsn, "--revoke", made if whole else token_id)

    assert (ended.exit_code, token_id in ended.stdout) == (0, True)
    assert made not in ended.stdout
    assert await tokens.verify_token(connection, made) is None
    assert " -\n" not in (await asked(postgres_dsn)).stdout  # It says when it was revoked.
    again = await asked(postgres_dsn, "--revoke", token_id)
    assert again.exit_code == 2
    assert "could still be revoked" in again.stderr
