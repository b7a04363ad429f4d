"""The parts of a demonstration: no process is forgotten."""

import asyncio
from pathlib import Path

import pytest

from simulators.proving.processes import Worker, start_each


async def test_a_start_that_is_cut_short_leaves_no_process_unknown(tmp_path: Path) -> None:
    workers: list[Worker] = []
    wanted = [
        ("fan", ("simulate", "fan", "--port", "0")),
        ("no/such/folder", ("simulate", "fan", "--port", "0")),
    ]
    with pytest.raises(FileNotFoundError):
        await start_each(workers, wanted, tmp_path)
    try:
        assert [worker.name for worker in workers] == ["fan"]
        assert workers[0].runs
    finally:
        await asyncio.gather(*(worker.kill() for worker in workers))
