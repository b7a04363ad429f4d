"""Bring a database's schema up to date: numbered files, each in a transaction of its own.

A file that has been released is never edited; what it said is remembered by its hash. Beside
`NNNN-name.sql` there may be `NNNN-name.timescaledb.sql`, which is run after it, in the same
transaction, where the TimescaleDB extension is installed in the database.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import AsyncConnection, errors

from historian.connection import connect

SCHEMA = Path(__file__).parent / "schema"
TIMESCALEDB_SUFFIX = ".timescaledb.sql"
LOCK_KEY = 0x67726F756E64  # "ground"; one migration at a time in a database.
# A migration waits this long for a table that someone else uses, then gives up and may be
# repeated; waiting for ever would hold up everyone who comes after it.
LOCK_TIMEOUT_S = 30.0
OLDEST_SERVER = 150_000

# Asked first: whoever may not create tables may not even say `if not exists`.
HAS_VERSIONS = "select to_regclass('schema_version') is not null"
CREATE_VERSIONS = """
    create table if not exists schema_version (
        number     integer primary key,
        name       text not null,
        sha256     text not null,
        applied_at timestamptz not null default clock_timestamp()
    )
"""


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of the schema."""

    number: int
    name: str  # Of the file, without its ending.
    text: str
    timescaledb_text: str  # Empty where TimescaleDB needs nothing else.

    @property
    def sha256(self) -> str:
        """Names what the file says, on plain PostgreSQL."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_migrations(folder: Path = SCHEMA) -> list[Migration]:
    """Read the schema's files, by number."""
    migrations = []
    for path in sorted(folder.glob("[0-9]*.sql")):
        if path.name.endswith(TIMESCALEDB_SUFFIX):
            continue
        companion = path.with_name(path.stem + TIMESCALEDB_SUFFIX)
        migrations.append(
            Migration(
                number=int(path.name.split("-", 1)[0]),
                name=path.stem,
                text=path.read_text(encoding="utf-8"),
                timescaledb_text=companion.read_text("utf-8") if companion.exists() else "",
            )
        )
    return migrations


async def migrate(dsn: str, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing, in order; return the names of what was applied."""
    wanted = read_migrations() if migrations is None else migrations
    async with await connect(
        dsn, name="migrate", autocommit=True, statement_timeout_s=0, lock_timeout_s=LOCK_TIMEOUT_S
    ) as connection:
        _refuse_old_server(connection)
        await _take_turn(connection)
        try:
            missing = await _missing(connection, wanted)
            for migration in missing:
                await _apply(connection, migration)
        except errors.InsufficientPrivilege as error:
            raise MigrationError(
                f"The database's user may not bring the schema up to date: "
                f"{error.diag.message_primary}. Let it own its database, or grant it CREATE on the "
                f"schema and let it own the tables in it."
            ) from error
    return [migration.name for migration in missing]


async def has_timescaledb(connection: AsyncConnection) -> bool:
    """Tell whether the TimescaleDB extension is installed in this database."""
    found = await connection.execute("select 1 from pg_extension where extname = 'timescaledb'")
    return await found.fetchone() is not None


async def _take_turn(connection: AsyncConnection) -> None:
    """Wait until no other migration runs; the turn ends with the session, even if we are killed."""
    try:
        await connection.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
    except errors.LockNotAvailable as error:
        raise MigrationError(
            f"For {LOCK_TIMEOUT_S:.0f} s another migration has been changing this database. "
            f"Wait until it is done, and repeat."
        ) from error


async def _missing(connection: AsyncConnection, wanted: Sequence[Migration]) -> list[Migration]:
    row = await (await connection.execute(HAS_VERSIONS)).fetchone()
    if row is None or not row[0]:
        await connection.execute(CREATE_VERSIONS)
    cursor = await connection.execute("select number, name, sha256 from schema_version")
    applied = {number: (name, sha256) for number, name, sha256 in await cursor.fetchall()}
    newest = max((migration.number for migration in wanted), default=0)
    if unknown := sorted(number for number in applied if number > newest):
        name = applied[unknown[-1]][0]
        raise MigrationError(
            f"The database has the schema {name}, which is newer than this Groundwatch knows. "
            f"Install the version that made it, or a newer one."
        )
    for migration in wanted:
        if migration.number in applied and applied[migration.number][1] != migration.sha256:
            raise MigrationError(
                f"The schema file {migration.name} differs from the one that this database was "
                f"made with. Released files are never edited: put the old text back, and say the "
                f"change in a new file."
            )
    return [migration for migration in wanted if migration.number not in applied]


async def _apply(connection: AsyncConnection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.text.encode())
            if migration.timescaledb_text and await has_timescaledb(connection):
                await connection.execute(migration.timescaledb_text.encode())
            await connection.execute(
                "insert into schema_version (number, name, sha256) values (%s, %s, %s)",
                [migration.number, migration.name, migration.sha256],
            )
    except errors.LockNotAvailable as error:
        raise MigrationError(
            f"The schema change {migration.name} waited {LOCK_TIMEOUT_S:.0f} s for a table that "
            f"someone else is using, and was taken back. Stop what uses the database, and repeat."
        ) from error


def _refuse_old_server(connection: AsyncConnection) -> None:
    version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise MigrationError(
            f"The database is PostgreSQL {version // 10_000}; Groundwatch needs "
            f"{OLDEST_SERVER // 10_000} or newer."
        )
