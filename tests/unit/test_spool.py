"""The spool: what is in it stays in it, numbers are never reused, and it knows when to let go."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge_agent.spool import (
    ACKNOWLEDGE,
    ASK_AGAIN,
    KEPT_US,
    READ_OLD,
    READ_OLDEST_ACKNOWLEDGED,
    READ_RANGES,
    Spool,
    SpoolBlock,
    SpoolError,
    read_ledger,
)

NOW = 1_751_328_000_000_000
ROOM = 1 << 30


def block(size: int = 1000, letter: bytes = b"x") -> SpoolBlock:
    return SpoolBlock(letter * size, scans=1, readings=4)


@contextmanager
def opened(path: Path, bytes_max: int = ROOM) -> Iterator[Spool]:
    spool = Spool(path, bytes_max=bytes_max)
    try:
        yield spool
    finally:
        spool.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def test_blocks_and_their_stream_survive_a_restart(path: Path) -> None:
    with opened(path) as spool:
        epoch = spool.epoch
        assert spool.append([block(letter=b"a"), block(letter=b"b")], NOW).seqs == [1, 2]
    with opened(path) as spool:
        assert spool.epoch == epoch
        assert spool.held.to_list() == [(1, 2)]
        assert spool.next_seq == 3
        assert spool.succession is None
        assert [content[:1] for _, content in spool.read([1, 2], ROOM)] == [b"a", b"b"]
    assert [seq for seq, _ in read_ledger(path)] == [1, 2]


def test_the_file_keeps_every_commit_through_a_power_cut(path: Path) -> None:
    with opened(path) as spool:
        settings = [
            spool._database.execute(f"pragma {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
        spool.append([block()], NOW)
        spool.acknowledge([(1, 1)], NOW)
        after = spool._database.execute("pragma synchronous").fetchone()[0]
    assert settings == ["wal", 2]
    assert after == 2  # Acknowledgements are noted with less care, but blocks are not.


def test_a_killed_process_leaves_what_it_had_appended(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from edge_agent.spool import *\n"
        f"spool = Spool(Path({str(path)!r}), bytes_max=1 << 30)\n"
        "while True: print(*spool.append([SpoolBlock(b'x' * 500, 1, 1)], 0).seqs, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as told:
        for _ in range(50):
            last = int(told.readline())
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        last = max([last, *(int(line) for line in told.read().splitlines() if line)])

    with opened(path) as spool:
        assert spool.held.to_list() == [(1, spool.next_seq - 1)]
        assert spool.next_seq > last


def test_numbers_are_not_reused_after_everything_was_freed(path: Path) -> None:
    with opened(path) as spool:
        spool.append([block()] * 3, NOW)
        spool.acknowledge([(1, 3)], NOW)
        spool.acknowledge([], NOW + KEPT_US + 1)
        assert spool.held.to_list() == []
    with opened(path) as spool:
        assert spool.next_seq == 4
        assert spool.append([block()], NOW).seqs == [4]


def test_what_is_acknowledged_is_kept_for_a_week(path: Path) -> None:
    with opened(path) as spool:
        spool.append([block()] * 3, NOW)
        assert not spool.is_delivered()
        spool.acknowledge([(1, 2)], NOW)
        spool.acknowledge([(3, 3)], NOW + 1000)
        assert spool.is_delivered()
        spool.acknowledge([], NOW + KEPT_US - 1)
        assert spool.held.to_list() == [(1, 3)]
        spool.acknowledge([], NOW + KEPT_US + 999)
        assert spool.held.to_list() == [(3, 3)]


def test_a_restored_centre_may_ask_again(path: Path) -> None:
    with opened(path) as spool:
        spool.append([block()] * 3, NOW)
        spool.acknowledge([(1, 3)], NOW)
        spool.ask_again([(2, 2)])
        assert not spool.is_delivered()
        spool.acknowledge([], NOW + KEPT_US + 1)
        assert spool.held.to_list() == [(2, 2)]


def test_near_the_cap_the_acknowledged_go_first(path: Path) -> None:
    with opened(path, bytes_max=10_000) as spool:
        spool.append([block()] * 10, NOW)
        spool.acknowledge([(4, 6)], NOW)
        appended = spool.append([block()], NOW)
        assert appended.dropped == []
        assert spool.held.holes(1, 11) == [(4, 5)]


def test_at_the_cap_the_oldest_go_and_are_named(path: Path) -> None:
    with opened(path, bytes_max=10_000) as spool:
        spool.append([block()] * 10, NOW)
        appended = spool.append([block()], NOW)
        assert appended.seqs == [11]
        assert appended.dropped == [(1, 2)]
        assert spool.held.to_list() == [(3, 11)]
        assert spool.read([1, 2, 3], ROOM)[0][0] == 3


def test_nothing_goes_for_blocks_that_cannot_be_written(path: Path) -> None:
    """Else undelivered blocks would be gone, and nobody told that they are."""
    refuse = "create trigger refuse before insert on block begin select raise(abort, 'no'); end"
    with opened(path, bytes_max=10_000) as spool:
        spool.append([block()] * 10, NOW)
        spool._database.execute(refuse)
        with pytest.raises(sqlite3.DatabaseError, match="no"):
            spool.append([block()], NOW)
        assert spool.held.to_list() == [(1, 10)]
        assert len(spool.read(range(1, 11), ROOM)) == 10

        spool._database.execute("drop trigger refuse")
        appended = spool.append([block()], NOW)
        assert (appended.seqs, appended.dropped) == ([11], [(1, 2)])


def test_what_the_blocks_take_is_known_at_a_start_without_looking_at_them(path: Path) -> None:
    with opened(path) as spool:
        spool.append([block(100)] * 10, NOW)
        spool.acknowledge([(1, 3)], NOW)
        spool.acknowledge([], NOW + KEPT_US + 1)
        assert spool._database.execute("select * from size").fetchall() == [(700, 10)]
        spool._database.execute("update size set bytes = 701")  # So it is seen whence it comes.
    with opened(path) as spool:
        assert spool._bytes == 701
        assert spool.held.to_list() == [(4, 10)]
        # As a program leaves it that appended and did not know of it.
        spool._database.execute("update size set last_seq = 9")
    with opened(path) as spool:
        assert spool._bytes == 700


def test_a_spool_of_an_older_program_is_counted_once(path: Path) -> None:
    with opened(path) as spool:
        spool.append([block(100)] * 10, NOW)
        spool._database.execute("drop table size")
    with opened(path) as spool:
        assert spool._bytes == 1000


def test_what_is_held_is_read_without_looking_at_the_blocks(path: Path) -> None:
    with opened(path) as spool:
        spool.append([block(5000)] * 1000, NOW)
        spool.acknowledge([(1, 500)], NOW)
    with closing(sqlite3.connect(path)) as database:
        before = characters_read()
        held = [row for query in READ_RANGES for row in database.execute(query)]
        read = characters_read() - before
    assert held == [(501, 1000), (1, 500)]
    assert read < 500_000 < path.stat().st_size / 10


def characters_read() -> int:
    """How much this process has read from files, the system's cache included."""
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


def test_a_full_disk_takes_the_room_of_delivered_blocks(path: Path) -> None:
    with opened(path) as spool:
        spool.append([block(4000)] * 50, NOW)
        pages = spool._database.execute("pragma page_count").fetchone()[0]
        spool._database.execute(f"pragma max_page_count={pages + 1}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            spool.append([block(40_000)], NOW)
        spool.acknowledge([(1, 50)], NOW)
        assert spool.append([block(40_000)], NOW).seqs == [51]
        assert spool.held.within(51, 51) == [(51, 51)]
        assert spool.held.count < 51


def test_reading_stops_where_the_room_ends(path: Path) -> None:
    with opened(path) as spool:
        spool.append([block()] * 5, NOW)
        assert [seq for seq, _ in spool.read(range(1, 6), 2500)] == [1, 2]


def test_a_damaged_file_is_moved_aside_and_a_new_stream_begins(path: Path) -> None:
    with opened(path) as spool:
        epoch = spool.epoch
        spool.append([block(5000)] * 50, NOW)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(40_000))

    with opened(path) as spool:
        assert spool.succession is not None
        assert spool.succession.aside.exists()
        assert spool.epoch != epoch
        assert spool.losses.keys() == {1}
        assert "unknown" in spool.losses[1]
        assert spool.append([block()], NOW).seqs == [2]


def test_a_file_that_is_no_database_is_moved_aside(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with opened(path) as spool:
        assert spool.succession is not None
        assert spool.succession.aside == path.with_name("spool.db.corrupt-1")
        assert spool.succession.blocks == 0


def test_of_the_files_set_aside_the_newest_three_stay(path: Path) -> None:
    beside = path.with_name("spool.db.corrupt-1.copy")  # Somebody else's.
    beside.touch()
    removed: list[str] = []
    with opened(path) as spool:
        for _ in range(5):
            spool.append([block()], NOW)
            removed += [one.name for one in spool.begin_anew("outdated").removed]
    for _ in range(2):
        path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
        with opened(path) as spool:
            assert spool.succession is not None
            removed += [one.name for one in spool.succession.removed]

    left = sorted(one.name for one in path.parent.glob("spool.db.*-*"))
    assert [name for name in left if not name.endswith(("-wal", "-shm"))] == [
        "spool.db.corrupt-1",
        "spool.db.corrupt-1.copy",
        "spool.db.corrupt-2",
        "spool.db.outdated-5",
    ]
    assert removed == [f"spool.db.outdated-{number}" for number in (1, 2, 3, 4)]


def test_an_old_copy_begins_a_new_stream_with_what_is_left(path: Path) -> None:
    with opened(path) as spool:
        epoch = spool.epoch
        spool.append([block(letter=b"a"), block(letter=b"b"), block(letter=b"c")], NOW)
        spool.acknowledge([(1, 2)], NOW)
        spool.begin_anew("outdated")
        assert spool.epoch != epoch
        assert spool.held.to_list() == [(1, 1)]
        assert spool.read([1], ROOM)[0][1][:1] == b"c"
        assert spool.losses == {}


def test_two_agents_never_share_a_spool(path: Path) -> None:
    with opened(path), pytest.raises(SpoolError, match="in use by another edge agent"):
        Spool(path, bytes_max=ROOM)
    with opened(path):
        pass


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool.db").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "spool.db", tmp_path / "file" / "spool.db"):
        with pytest.raises(SpoolError, match="cannot be opened"):
            Spool(path, bytes_max=ROOM)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (READ_OLD, "block_acknowledged"),
        (READ_OLDEST_ACKNOWLEDGED, "block_acknowledged"),
        (ACKNOWLEDGE, "block_waiting"),
        (ASK_AGAIN, "block_kept"),
    ],
)
def test_nothing_that_is_done_often_reads_through_all_blocks(
    path: Path, query: str, index: str
) -> None:
    with opened(path) as spool:
        arguments = [NOW] * query.count("?")
        (step,) = spool._database.execute(f"explain query plan {query}", arguments).fetchall()
    assert f"USING INDEX {index} " in step[3]
