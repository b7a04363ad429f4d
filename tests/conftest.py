"""Real parts for tests: a PostgreSQL of this test run's own, and a fresh database for each test.

Under pytest-xdist each worker has a server of its own. A database is copied from a template
that has been migrated once, which takes some 30 ms. Where GROUNDWATCH_TEST_DSN names a server
(its user may create databases), tests use that one; where GROUNDWATCH_TEST_POSTGRES names a major
(15, 16, …), they start one of it. `pytest -m store` chooses those that have something to say then.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import count

import psycopg
import pytest
from hypothesis import settings
from other_servers import STORE_SUITE, running
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from historian.connection import connect
from historian.embedded import EmbeddedPostgres
from historian.migration import migrate

# Workers that share a server must not take each other's databases.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
TEMPLATE = f"template_{WORKER}"
# Tests that crash the server start one of their own, with the settings of every day.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
NUMBERS = count(1)
# How long an example takes says how busy the machine is; speed is for benches.
settings.register_profile("groundwatch", deadline=None)
settings.load_profile("groundwatch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is run on servers of other majors, too."""
    for item in items:
        if item.path.stem in STORE_SUITE:
            item.add_marker("store")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server; the value connects to its maintenance database."""
    if given := os.environ.get("GROUNDWATCH_TEST_DSN"):
        yield _with_template(given)
        return
    if major := os.environ.get("GROUNDWATCH_TEST_POSTGRES"):
        with running(major, tmp_path_factory.mktemp("other"), QUICK) as dsn:
            yield _with_template(dsn)
        return
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), settings=QUICK)
    try:
        yield _with_template(make_conninfo(server.start(), dbname="postgres"))
    finally:
        server.stop()


@pytest.fixture
def postgres_dsn(postgres_server: str) -> Iterator[str]:
    """A database with the whole schema, and nothing in it."""
    name = f"test_{WORKER}_{next(NUMBERS)}"
    _execute(postgres_server, "create database {} template {}", name, TEMPLATE)
    yield make_conninfo(postgres_server, dbname=name)
    _execute(postgres_server, "drop database {} with (force)", name)


@pytest.fixture
def empty_postgres_dsn(postgres_server: str) -> Iterator[str]:
    """A database without any schema."""
    name = f"empty_{WORKER}_{next(NUMBERS)}"
    _execute(postgres_server, "create database {}", name)
    yield make_conninfo(postgres_server, dbname=name)
    _execute(postgres_server, "drop database {} with (force)", name)


@pytest.fixture
async def connection(postgres_dsn: str) -> AsyncIterator[AsyncConnection]:
    """A connection to this test's database, in which every statement is a transaction."""
    async with await connect(postgres_dsn, name="test", autocommit=True) as opened:
        yield opened


def _with_template(dsn: str) -> str:
    """Make the template anew on a server; return how to connect to the server."""
    _execute(dsn, "drop database if exists {} with (force)", TEMPLATE)
    _execute(dsn, "create database {}", TEMPLATE)
    asyncio.run(_migrate(make_conninfo(dsn, dbname=TEMPLATE)))
    return dsn


async def _migrate(dsn: str) -> None:
    await migrate(dsn)


def _execute(dsn: str, statement: str, *names: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as opened:
        opened.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
