"""Damaged spools, really damaged: what is whole is carried over, what is gone is told."""

import asyncio
import random
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge_agent import spool_file, storing
from edge_agent.spool import Spool, SpoolBlock
from edge_agent.spool_file import is_damage
from edge_agent.storing import SpoolThread, StoreFailedError, StreamEndedError
from telemetry.frames import Lost, decode_edge_frame, encode_frame

NOW = 1_751_328_000_000_000
ROOM = 1 << 30
PAGE = 4096
BLOCKS = 600
ACKNOWLEDGED = 200


def block(number: int) -> SpoolBlock:
    return SpoolBlock(b"%06d" % number + bytes(900), scans=1, readings=4)


@contextmanager
def opened(path: Path) -> Iterator[Spool]:
    spool = Spool(path, bytes_max=ROOM)
    try:
        yield spool
    finally:
        spool.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spool whose first blocks are acknowledged, closed in good order."""
    path = tmp_path / "spool.db"
    with opened(path) as spool:
        spool.append([block(number) for number in range(1, BLOCKS + 1)], NOW)
        spool.acknowledge([(1, ACKNOWLEDGED)], NOW)
    return path


def damage(path: Path, pages: Sequence[int]) -> None:
    """Overwrite pages, counted from 0, as a worn-out card would."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(random.Random(page).randbytes(PAGE))


def root_page(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        query = "select rootpage from sqlite_schema where name = ?"
        return int(database.execute(query, (name,)).fetchone()[0]) - 1


def numbers_in(spool: Spool) -> list[int]:
    """Which of the old blocks are in a spool, by what they hold."""
    seqs = [seq for first, last in spool.held for seq in range(first, last + 1)]
    return [int(content[:6]) for _, content in spool.read(seqs, ROOM)]


def test_whole_pages_of_a_damaged_file_are_carried_over_and_the_rest_is_counted(
    path: Path,
) -> None:
    pages = path.stat().st_size // PAGE
    damage(path, range(pages // 2, pages // 2 + 8))

    with opened(path) as spool:
        numbers = numbers_in(spool)
        (reason,) = spool.losses.values()
        (seq,) = spool.losses
        following = spool.append([block(9)], NOW).seqs

    gone = int(re.findall(r"blocks gone: (\d+)", reason)[0])
    assert 8 <= gone <= 40
    assert numbers == sorted(set(numbers))
    assert set(numbers) < set(range(ACKNOWLEDGED + 1, BLOCKS + 1))
    assert len(numbers) == BLOCKS - ACKNOWLEDGED - gone
    assert (seq, following) == (len(numbers) + 1, [len(numbers) + 2])


def test_without_the_index_of_what_waits_the_table_tells(path: Path) -> None:
    damage(path, [root_page(path, "block_waiting")])

    with opened(path) as spool:
        assert numbers_in(spool) == list(range(ACKNOWLEDGED + 1, BLOCKS + 1))
        (reason,) = spool.losses.values()
    assert "unknown" in reason


def test_without_the_index_damaged_pages_of_the_table_are_stepped_over(path: Path) -> None:
    pages = path.stat().st_size // PAGE
    damage(path, [root_page(path, "block_waiting"), *range(pages // 2, pages // 2 + 8)])

    with opened(path) as spool:
        numbers = numbers_in(spool)
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= BLOCKS - ACKNOWLEDGED - 40
    assert {ACKNOWLEDGED + 1, BLOCKS} <= set(numbers)


def test_damage_to_what_was_delivered_loses_nothing(path: Path) -> None:
    damage(path, [root_page(path, "block_acknowledged")])

    with opened(path) as spool:
        assert spool.succession is not None
        assert numbers_in(spool) == list(range(ACKNOWLEDGED + 1, BLOCKS + 1))
        assert spool.losses == {}


def test_a_loss_is_told_until_the_centre_has_heard_it(path: Path) -> None:
    damage(path, range(1, 40))
    with opened(path) as spool:
        (first,) = spool.losses.items()
        spool.begin_anew("outdated")
        assert [*spool.losses.values()] == [first[1]]
    with opened(path) as spool:
        (seq,) = spool.losses
        spool.acknowledge([(1, seq)], NOW)
        assert spool.losses == {}
    with opened(path) as spool:
        assert spool.losses == {}
        assert spool.next_seq == seq + 1


@pytest.mark.parametrize("reason", ["gone\x00 for ever" + 400 * "!", b"\x01\x00", 7])
def test_a_reason_that_is_damaged_is_made_fit_to_be_told(path: Path, reason: object) -> None:
    """Else the centre would refuse the frame at every connection, and the stream never go on."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("insert into loss values (?, ?)", (BLOCKS, reason))
    with opened(path) as spool:
        told = [*spool.losses.values()]
        spool.begin_anew("corrupt")
        told += spool.losses.values()

    assert len(told) == 2
    for one in told:
        decode_edge_frame(encode_frame(Lost(1, 1, one)))


def test_losses_that_can_no_longer_be_read_are_not_forgotten(path: Path) -> None:
    damage(path, range(1, 40))
    with opened(path) as spool:
        assert spool.losses
    damage(path, [root_page(path, "loss")])

    with opened(path) as spool:
        (reason,) = spool.losses.values()
    assert "unknown" in reason


def test_a_damaged_name_of_the_stream_is_damage_like_any_other(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("update stream set epoch = replace(epoch, '-', '\x01')")

    with opened(path) as spool:
        assert spool.succession is not None
        assert numbers_in(spool) == list(range(ACKNOWLEDGED + 1, BLOCKS + 1))


@pytest.mark.parametrize("steps", range(6))
def test_a_power_cut_during_the_change_of_files_loses_nothing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """The machine stops after so many steps of the change, with a journal beside the file."""

    class PowerCutError(Exception):
        pass

    left = steps

    def count(_: Path) -> None:
        nonlocal left
        if not left:
            raise PowerCutError
        left -= 1

    # A file that was not closed in good order has its newest blocks beside it.
    with opened(path) as spool:
        spool.append([block(BLOCKS + 1)], NOW)
        folder = tmp_path / "cut"
        folder.mkdir()
        for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
            shutil.copy(tmp_path / name, folder / name)
    path = folder / "spool.db"
    damage(path, [root_page(path, "block_acknowledged")])
    monkeypatch.setattr(spool_file, "_make_durable", count)
    try:
        Spool(path, bytes_max=ROOM).close()
        assert steps > 4
    except PowerCutError:
        (folder / "spool.db.lock").unlink()  # The lock of a process that is gone.
    monkeypatch.undo()

    with opened(path) as spool:
        assert numbers_in(spool) == list(range(ACKNOWLEDGED + 1, BLOCKS + 2))
        assert spool.losses == {}


def damage_under_way(path: Path) -> None:
    """Damage a file in use, and have its user look at it again instead of at its memory."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("pragma wal_checkpoint(truncate)")
        damage(path, range(1, path.stat().st_size // PAGE))
        other.execute("pragma user_version = 1")


async def test_damage_found_while_running_begins_a_new_stream_and_goes_on(path: Path) -> None:
    spool = SpoolThread(path, bytes_max=ROOM)
    await spool.open()
    before = await spool.state()
    await asyncio.to_thread(damage_under_way, path)

    appended = await spool.append(lambda: [block(9)])
    after = await spool.state()

    assert after.epoch != before.epoch
    assert appended.epoch == after.epoch
    assert appended.seqs == [2]
    assert after.losses.keys() == {1}
    with pytest.raises(StreamEndedError):
        await spool.acknowledge(before.epoch, [(1, BLOCKS)])
    assert not await spool.is_delivered()
    await spool.close()


async def test_a_disk_that_damages_every_file_is_not_filled_with_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = SpoolThread(path, bytes_max=ROOM)
    await spool.open()
    await asyncio.to_thread(damage_under_way, path)
    await spool.append(lambda: [block(number) for number in range(50)])
    await asyncio.to_thread(damage_under_way, path)

    for _ in range(3):
        with pytest.raises(StoreFailedError):
            await spool.append(lambda: [block(9)])
    assert len(list(path.parent.glob("spool.db.corrupt-?"))) == 1
    monkeypatch.setattr(storing, "RENEWALS_APART_S", 0.0)
    assert (await spool.append(lambda: [block(9)])).seqs
    await spool.close()


@pytest.mark.parametrize(
    ("kind", "code", "damaged"),
    [
        (sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.OperationalError, sqlite3.SQLITE_FULL, False),
        (sqlite3.OperationalError, sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.OperationalError, sqlite3.SQLITE_IOERR_READ, True),
    ],
)
def test_an_unreadable_sector_is_damage_and_a_full_disk_is_not(
    kind: type[sqlite3.DatabaseError], code: int, damaged: bool
) -> None:
    error = kind("as SQLite says it")
    error.sqlite_errorcode = code
    assert is_damage(error) is damaged
