"""Submissions in the flush: each decided once, whatever goes wrong in between."""

import json
from pathlib import Path

import pytest
from gateway_site import GATEWAY, gateway_document, scan
from ingest_bench import IngestBench, fetch, ingest
from ingest_site import BEGAN_US, HOUR_US, plan_in, write_site
from psycopg import AsyncConnection
from waiting import until

from historian import submissions
from historian.submissions import SubmissionOutcome
from ingest import narrowing
from telemetry.submission import compile_submission, read_document

PLAN = plan_in(gateway_document())
ROWS = "select raw from scan join scan_group using (site_id, group_id) where key = 'cracks'"
POISON = """
    create function wait() returns trigger language plpgsql as $$
        begin
            if new.raw[1] = 666 then raise exception 'poison'; end if;
            return new;
        end $$;
    create trigger wait before insert on scan for each row execute function wait();
"""


async def hand_in(bench: IngestBench, connection: AsyncConnection, *scans: dict) -> int:
    document = json.dumps({"site": "mine", "scans": scans}).encode()
    return await submissions.submit(
        connection,
        site_id=bench.desks[0].ids.site_id,
        gateway=GATEWAY,
        received_us=BEGAN_US + HOUR_US,
        contents=compile_submission(read_document(document), PLAN, GATEWAY).contents,
    )


async def outcome(
    bench: IngestBench, connection: AsyncConnection, number: int
) -> SubmissionOutcome:
    site_id = bench.desks[0].ids.site_id
    return await until(lambda: submissions.outcome_of(connection, site_id, number))


async def test_what_cannot_be_stored_is_put_aside_and_the_rest_is_stored(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(narrowing, "PAUSES_S", (0.0, 0.1))
    await connection.execute(POISON)
    async with ingest(postgres_dsn, write_site(tmp_path, gateway_document())) as bench:
        numbers = [
            await hand_in(bench, connection, scan(minute, crack=value, tilt=0.0))
            for minute, value in ((1, 1.0), (2, 666.0), (3, 3.0))
        ]
        found = [await outcome(bench, connection, number) for number in numbers]

    assert [one.stored for one in found] == [1, 0, 1]
    (told,) = found[1].quarantined
    assert (told.scans, told.reason) == (1, "not_storable")
    assert [row["raw"] for row in await fetch(connection, ROWS)] == [[1.0, 0.0], [3.0, 0.0]]
    (kept,) = await fetch(connection, "select edge, seq, reason from quarantine")
    assert tuple(kept.values()) == (GATEWAY, numbers[1], "not_storable")


async def test_a_commit_whose_answer_is_lost_counts_once(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with ingest(postgres_dsn, write_site(tmp_path, gateway_document())) as bench:
        first = await outcome(
            bench, connection, await hand_in(bench, connection, scan(1, crack=1.0))
        )
        await connection.execute(  # Cut the flush's connection: it comes back, and recovers.
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'groundwatch ingest' and datname = current_database()"
        )
        second = await outcome(
            bench, connection, await hand_in(bench, connection, scan(2, crack=2.0))
        )
        assert not bench.inbox.submitted("mine")

    assert (first.stored, second.stored) == (1, 1)
    assert len(await fetch(connection, ROWS)) == 2


async def test_a_submission_of_many_scans_and_groups_is_one_in_the_record(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    many = [scan(minute / 20, crack=float(minute)) for minute in range(1100)]
    async with ingest(postgres_dsn, write_site(tmp_path, gateway_document())) as bench:
        number = await hand_in(bench, connection, *many)
        found = await outcome(bench, connection, number)
        again = await outcome(bench, connection, await hand_in(bench, connection, *many))

    assert (found.stored, found.late) == (1100, 0)
    assert (again.duplicates, again.late) == (1100, 1100)
    rows = await fetch(connection, "select seq, ordinal from scan where stream_id is not null")
    assert {(row["seq"], row["ordinal"]) for row in rows} == {(number, n) for n in range(1100)}
