"""Collecting: when scans are urgent, and how they become blocks."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_plans import group_plan
from structlog.testing import capture_logs

from edge_agent.collecting import SCANS_HELD_MAX, Collector, LimitWatch
from edge_agent.source import TakenScan
from edge_agent.spool import Appended
from edge_agent.storing import SpoolThread, StoreFailedError
from telemetry.plan import GroupPlan
from telemetry.quality import Quality
from telemetry.wire import SCANS_MAX, decode_block

LIMITS = {
    "conversion": {"kind": "linear", "gain": 2.0},
    "limits": [
        {"direction": "high", "levels": {"yellow": 20, "red": 40}, "source": "1"},
        {"direction": "low", "levels": {"blue": -10, "red": -30}, "source": "1"},
    ],
}
STATES = {
    "quantity": "running_state",
    "unit": "state",
    "states": {
        0: {"name": {"en": "Stopped", "zh": "停"}, "level": "red"},
        1: {"name": {"en": "Running", "zh": "行"}},
    },
}
NEVER_S = 1000.0  # Only urgency, or the end, writes anything before.


def is_urgent(channel: dict[str, Any], raw: float, quality: int = 0) -> bool:
    watch = LimitWatch(group_plan([{"address": 0}], channel=channel))
    return watch.is_violated(np.array([raw]), np.array([quality], np.int16))


@pytest.mark.parametrize(
    ("raw", "urgent"), [(9.9, False), (10.0, True), (-4.9, False), (-5.0, True), (np.nan, False)]
)
def test_the_value_counts_not_the_raw_number(raw: float, urgent: bool) -> None:
    assert is_urgent(LIMITS, raw) is urgent


def test_a_bad_reading_is_never_urgent() -> None:
    assert not is_urgent(LIMITS, 100.0, Quality.NO_REPLY)


def test_an_alarming_state_is_urgent() -> None:
    assert is_urgent(STATES, 0.0)
    assert not is_urgent(STATES, 1.0)
    assert not is_urgent(STATES, 7.0)  # A number that names no state is bad.


def scan(plan: GroupPlan, number: int, raw: float = 0.0) -> TakenScan:
    return TakenScan(plan, number, number, np.array([raw]), np.zeros(1, np.int16))


class Kept:
    """A collector over a real spool, and what it said was appended."""

    def __init__(self, path: Path, plan: GroupPlan) -> None:
        self.spool = SpoolThread(path, bytes_max=1 << 30)
        self.seqs: list[int] = []
        self.some = asyncio.Event()
        self.collector = Collector(
            "test-mine", [plan], self.spool, collect_s=NEVER_S, appended=self.appended
        )

    def appended(self, appended: Appended) -> None:
        self.seqs += appended.seqs
        self.some.set()


async def test_scans_wait_for_each_other_until_one_is_urgent(tmp_path: Path) -> None:
    plan = group_plan([{"address": 0}], channel=LIMITS)
    kept = Kept(tmp_path / "spool.db", plan)
    await kept.spool.open()
    finish = asyncio.Event()
    running = asyncio.create_task(kept.collector.run(finish))
    kept.collector.keep(scan(plan, 1))
    kept.collector.keep(scan(plan, 2))
    kept.collector.keep(scan(plan, 3, raw=30.0))
    async with asyncio.timeout(10):
        await kept.some.wait()
    kept.collector.keep(scan(plan, 4))
    finish.set()
    await asyncio.wait_for(running, 10)

    assert kept.seqs == [1, 2]
    blocks = [decode_block(content) for content in reversed(await kept.spool.newest(9))]
    assert [block.sampled_us.tolist() for block in blocks] == [[1, 2, 3], [4]]
    await kept.spool.close()


async def test_a_long_backlog_becomes_several_blocks(tmp_path: Path) -> None:
    plan = group_plan([{"address": 0}])
    kept = Kept(tmp_path / "spool.db", plan)
    await kept.spool.open()
    for number in range(SCANS_MAX + 1):
        kept.collector.keep(scan(plan, number))
    finish = asyncio.Event()
    finish.set()
    await asyncio.wait_for(kept.collector.run(finish), 10)

    sizes = [len(decode_block(one).sampled_us) for one in await kept.spool.newest(9)]
    assert sizes == [1, SCANS_MAX]
    await kept.spool.close()


async def test_what_the_disk_refuses_to_the_end_is_said_to_be_lost(tmp_path: Path) -> None:
    plan = group_plan([{"address": 0}])
    kept = Kept(tmp_path / "spool.db", plan)

    async def full(_: object) -> Appended:
        raise StoreFailedError("database or disk is full")

    kept.spool.append = full  # type: ignore[method-assign]
    kept.collector.keep(scan(plan, 1))
    kept.collector.keep(scan(plan, 2))
    finish = asyncio.Event()
    finish.set()
    with capture_logs() as told:
        await asyncio.wait_for(kept.collector.run(finish), 10)

    assert told[-1]["event"].startswith("scans lost")
    assert told[-1]["scans"] == 2


async def test_what_the_disk_refuses_waits_in_memory(tmp_path: Path) -> None:
    plan = group_plan([{"address": 0}], channel=LIMITS)
    kept = Kept(tmp_path / "spool.db", plan)
    await kept.spool.open()

    async def full(_: object) -> Appended:
        kept.some.set()
        raise StoreFailedError("database or disk is full")

    works = kept.spool.append
    kept.spool.append = full  # type: ignore[method-assign]
    finish = asyncio.Event()
    running = asyncio.create_task(kept.collector.run(finish))
    kept.collector.keep(scan(plan, 1, raw=30.0))
    async with asyncio.timeout(10):
        await kept.some.wait()
    assert kept.seqs == []
    kept.spool.append = works  # type: ignore[method-assign]
    finish.set()
    await asyncio.wait_for(running, 10)

    assert kept.seqs == [1]
    await kept.spool.close()


async def test_a_disk_that_refuses_for_long_is_told_when_it_begins_and_ends(tmp_path: Path) -> None:
    plan = group_plan([{"address": 0}])
    kept = Kept(tmp_path / "spool.db", plan)
    await kept.spool.open()

    async def full(_: object) -> Appended:
        raise StoreFailedError("database or disk is full")

    works = kept.spool.append
    kept.spool.append = full  # type: ignore[method-assign]
    with capture_logs() as told:
        for n in range(SCANS_HELD_MAX):
            kept.collector.keep(scan(plan, n))
        for n in range(5):
            assert not await kept.collector._flush()
            kept.collector.keep(scan(plan, SCANS_HELD_MAX + n))
        kept.spool.append = works  # type: ignore[method-assign]
        assert await kept.collector._flush()
    await kept.spool.close()

    assert [one["event"].split(":")[0].split(";")[0] for one in told] == [
        "spool cannot be written",
        "scans are being lost",
        "spool takes scans again",
    ]
    assert told[-1]["scans_lost"] == 4  # The fifth still found room on the disk.
