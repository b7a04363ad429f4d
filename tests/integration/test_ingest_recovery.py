"""However a run is cut, dropped and made to fail, it leaves what an undisturbed one leaves."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_site import (
    BEGAN_US,
    MINUTE_US,
    NAN,
    SECOND_US,
    block,
    group_in,
    plan_in,
    site_document,
    write_site,
)
from recovery_bench import FAULTS, FORGET, Plan, Record, Run
from recovery_script import Arrive, Step, script

from historian.connection import connect
from ingest import flush
from telemetry.quality import Quality

SEEDS = (1, 2, 3)
STEPS = len(script(1))


class Mine:
    """A database in which one run follows another, and what undisturbed runs leave there."""

    def __init__(self, dsn: str, path: Path) -> None:
        self._dsn, self._path = dsn, path
        self._undisturbed: dict[int, Record] = {}

    async def prepare(self) -> None:
        async with await connect(self._dsn, name="test", autocommit=True) as connection:
            await connection.execute(FAULTS)

    def undisturbed(self, seed: int) -> Record:
        if seed not in self._undisturbed:
            self._undisturbed[seed] = self.run(script(seed), Plan(range(1000)))
        return self._undisturbed[seed]

    def run(self, steps: list[Step], plan: Plan) -> Record:
        return asyncio.run(self._run(steps, plan))

    async def _run(self, steps: list[Step], plan: Plan) -> Record:
        async with await connect(self._dsn, name="test", autocommit=True) as connection:
            await connection.execute(FORGET)
            return await Run(self._dsn, self._path, connection).through(steps, plan)


@pytest.fixture
def mine(postgres_dsn: str, tmp_path: Path) -> Mine:
    found = Mine(postgres_dsn, write_site(tmp_path, site_document()))
    asyncio.run(found.prepare())
    return found


@pytest.fixture
def watched_mine(postgres_dsn: str, tmp_path: Path) -> Mine:
    """The same mine, whose channels are screened, charted and confirmed."""
    tree = site_document()
    pond, toe = group_in(tree, "levels")["channels"]
    (crack,) = group_in(tree, "cracks")["channels"]
    # Readings of the script jump about, so something is screened all the time.
    pond |= {
        "resolution": 5.0,
        "screen": {"spike": {"most_per_hour": 60.0, "believed_after": 2}},
        "charts": [
            _chart("cusum", mean=5.0, sigma=5.0),
            _chart("page_hinkley", sigma=5.0, warm_up_readings=5),
        ],
    }
    toe |= {"resolution": 2.0, "screen": {"outlier": {"readings": 5}, "frozen": {"after_s": 60.0}}}
    toe["limits"][0]["confirm"] = {"at_least": 2, "of_last": 3}
    crack |= {"resolution": 1.0, "charts": [_chart("ewma", learn_readings=20)]}
    found = Mine(postgres_dsn, write_site(tmp_path, tree))
    asyncio.run(found.prepare())
    return found


def _chart(method: str, **words: float) -> dict[str, object]:
    levels = {"blue": 1.0, "red": 2.0}
    return {"method": method, "direction": "high", "levels": levels, "source": "x", **words}


def test_the_script_has_what_recovery_must_not_lose(mine: Mine) -> None:
    records = [mine.undisturbed(seed) for seed in SEEDS]

    changes = {
        (entry["kind"], entry["rule"], entry["change"])
        for record in records
        for entry in record.journal
    }
    assert {
        ("process", "limit_high", change)
        for change in ("raise", "rise", "fall", "clear", "acknowledge")
    } <= changes
    assert {("technical", "silence", "raise"), ("technical", "silence", "clear")} <= changes
    assert {"pond", "toe", "crack", "together"} <= {
        entry["channel"] for record in records for entry in record.journal
    }
    assert any(scan["revision"] == 1 for record in records for scan in record.scans)


def test_the_script_has_what_screens_and_charts_look_for(watched_mine: Mine) -> None:
    records = [watched_mine.undisturbed(seed) for seed in SEEDS]
    rules = {entry["rule"] for record in records for entry in record.journal}
    assert {"cusum_high", "page_hinkley_high", "limit_high"} <= rules
    qualities = {
        quality for record in records for scan in record.scans for quality in scan["quality"] or ()
    }
    assert {Quality.SPIKE, Quality.OUTLIER} <= qualities


@given(
    seed=st.sampled_from(SEEDS),
    flushed=st.sets(st.integers(0, STEPS), max_size=STEPS),
    dropped=st.sets(st.integers(0, STEPS), max_size=4),
    # Never two in a row: a block that fails twice alone would be sent to quarantine.
    failing=st.sets(st.integers(1, 20).map(lambda half: 2 * half), max_size=4),
    checkpoint_every=st.sampled_from([1, 3, 300]),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("which", ["mine", "watched_mine"])
def test_recovery_leaves_no_trace(
    request: pytest.FixtureRequest,
    which: str,
    seed: int,
    flushed: set[int],
    dropped: set[int],
    failing: set[int],
    checkpoint_every: int,
) -> None:
    mine: Mine = request.getfixturevalue(which)
    undisturbed = mine.undisturbed(seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "CHECKPOINT_EVERY_FLUSHES", checkpoint_every)
        record = mine.run(script(seed), Plan(flushed, dropped, failing))

    assert record.journal == undisturbed.journal
    assert record.alarms == undisturbed.alarms
    assert record.scans == undisturbed.scans
    assert record.broken_at is None


def test_a_scan_that_was_completed_later_is_replayed_as_it_came(mine: Mine) -> None:
    """The engine saw the pond's 25 at its receipt, not at the minute whose row holds it now."""
    levels = [[0.0, 1.0], [NAN, 1.0], [25.0, NAN], [NAN, 1.0], [3.0, 1.0]]
    taken = [1, 2, 2, 4, 5]
    steps: list[Step] = []
    for number, (row, minute) in enumerate(zip(levels, taken, strict=True), 1):
        received_us = BEGAN_US + number * MINUTE_US + SECOND_US
        at_us = BEGAN_US + minute * MINUTE_US
        content = block(
            plan_in(site_document()),
            "levels",
            [row],
            at_us=[at_us],
            monotonic_us=[at_us - BEGAN_US if number != 3 else received_us - BEGAN_US],
        )
        steps.append(Arrive("dam-edge", number, content, received_us))

    undisturbed = mine.run(steps, Plan(range(1000)))

    for dropped in range(5):
        assert mine.run(steps, Plan(range(1000), {dropped})) == undisturbed
    at_once = mine.run(steps, Plan((), {4}))
    assert at_once.journal == undisturbed.journal
    assert at_once.alarms == undisturbed.alarms


def test_a_scan_that_was_contradicted_counts_as_it_did_before_that_was_known(mine: Mine) -> None:
    """What is calculated from it after a recovery is as doubtful as it would have been."""

    def scan(seq: int, group: str, row: list[float], minute: int, received: int) -> Arrive:
        edge = "hill-edge" if group == "cracks" else "dam-edge"
        received_us = BEGAN_US + received * MINUTE_US + SECOND_US
        at_us = BEGAN_US + minute * MINUTE_US
        monotonic_us = (at_us if minute == received else received_us) - BEGAN_US
        plan = plan_in(site_document())
        content = block(plan, group, [row], at_us=[at_us], monotonic_us=[monotonic_us])
        return Arrive(edge, seq, content, received_us)

    steps: list[Step] = [
        scan(1, "levels", [0.0, 1.0], 1, 1),
        scan(1, "cracks", [10.0], 1, 1),
        scan(2, "levels", [1.0, 1.0], 2, 2),
        scan(3, "levels", [30.0, 1.0], 2, 3),
        scan(4, "levels", [2.0, 1.0], 5, 5),
        scan(2, "cracks", [10.0], 5, 5),
    ]

    undisturbed = mine.run(steps, Plan(range(1000)))

    doubts = [one["quality"] for one in undisturbed.scans if one["group"] == "sums"]
    assert [Quality.CLOCK_SUSPECT] in doubts
    assert [one["quality"] for one in undisturbed.scans if one["revision"] == 1] == [
        [Quality.CONFLICT, Quality.CLOCK_SUSPECT]
    ]
    for dropped in range(6):
        assert mine.run(steps, Plan(range(1000), {dropped})) == undisturbed
