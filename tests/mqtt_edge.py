"""An edge agent that listens to a broker, as tests set it up and start it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import numpy as np
from centre_double import TOKEN
from mqtt_plans import mqtt_site

from edge_agent.agent import run
from edge_agent.settings import EdgeSettings
from telemetry.scan import ScanBlock


def settings_of(
    folder: Path,
    broker_port: int,
    centre_port: int,
    groups: Sequence[dict[str, Any]],
    *,
    bus: dict[str, Any] | None = None,
    **further: Any,
) -> EdgeSettings:
    """Write a site file and a token, and say where they are."""
    site = mqtt_site(groups, {"port": broker_port, **(bus or {})})
    (folder / "site.yaml").write_text(json.dumps(site), encoding="utf-8")
    (folder / "token").write_text(TOKEN + "\n", encoding="utf-8")
    return EdgeSettings(
        site=folder / "site.yaml",
        edge="edge",
        centre=f"ws://127.0.0.1:{centre_port}",
        token_file=folder / "token",
        spool=folder / "spool.db",
        **further,
    )


@asynccontextmanager
async def agent(settings: EdgeSettings) -> AsyncIterator[None]:
    """An agent in this process, which has ended in good order afterwards."""
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 30)


@asynccontextmanager
async def device(port: int, **options: Any) -> AsyncIterator[aiomqtt.Client]:
    """A client that publishes."""
    async with aiomqtt.Client("127.0.0.1", port, **options) as client:
        yield client


def scans_in(blocks: Sequence[ScanBlock], group: str) -> list[tuple[int, list[float], list[int]]]:
    """All scans of a group, as they came: instant, raw numbers, qualities."""
    return [
        (int(at_us), raw.tolist(), quality.tolist())
        for block in blocks
        if block.group == group
        for at_us, raw, quality in zip(block.sampled_us, block.raw, block.quality, strict=True)
    ]


def blocks_have(blocks: Sequence[ScanBlock], group: str, number: float) -> bool:
    """Tell whether a number was read in a group."""
    return any(block.group == group and np.any(block.raw == number) for block in blocks)


async def held_edge(settings: EdgeSettings, folder: Path, place: str) -> asyncio.subprocess.Process:
    """Start an edge that stops at a place, and wait until it is there."""
    written = folder / "settings.json"
    written.write_text(settings.model_dump_json(), encoding="utf-8")
    script = Path(__file__).with_name("mqtt_edge_process.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, script, written, place),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(script.parents[1])},
    )
    assert process.stdout is not None
    async with asyncio.timeout(40):
        while (line := await process.stdout.readline()).strip() != b"held":
            assert line, "the edge ended by itself"
    return process
