"""By event time a back-test judges what is stored anew: any configuration, imports included."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from history import NoProgress
from ingest_bench import HandClock, fetch
from ingest_site import BEGAN_US, HOUR_US, group_in, plan_in, site_document, write_site
from recovery_bench import FAULTS, FORGET, Plan, Run
from recovery_script import script

from alarms.backtest import history
from alarms.backtest.feeding import by_event_time
from alarms.backtest.running import (
    BackTestRefusedError,
    BackTestRequest,
    SiteVersion,
    back_test,
    open_history,
    reading_snapshot,
)
from alarms.engine import SiteEngine
from alarms.suggestion.command import SuggestRequest, run_suggest
from alarms.ticks import TickSchedule
from alarms.transition import AlarmKind, Inputs, Transition
from historian.connection import connect
from historian.registry import site_id_of
from ingest.history.importing import ImportRequest, import_files
from telemetry.clock import instant_at, instant_us
from telemetry.conversion import GroupConverter
from telemetry.plan import SitePlan, plan_of
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Level
from telemetry.site_file import read_site_file

SPAN_US = range(BEGAN_US, BEGAN_US + HOUR_US)
STORED = """
    select scan_group.key, time, judged_at, revision, raw, quality
    from scan join scan_group using (site_id, group_id)
    where raw is not null order by 1, coalesce(judged_at, time), revision
"""
KEPT = {Quality.NO_VALUE, Quality.NO_REPLY, Quality.DEVICE_ERROR, Quality.NO_CONNECTION}


def other_document() -> dict[str, Any]:
    """Other limits, another conversion, and a slower sum."""
    tree = site_document()
    pond, toe = group_in(tree, "levels")["channels"]
    pond["limits"][0]["levels"] = {"blue": 4.0, "yellow": 8.0, "red": 19.0}
    toe["limits"][0]["on_delay_s"] = 120
    tip, _ = group_in(tree, "pressures")["channels"]
    tip["conversion"]["gain"] = 2.0
    tip["limits"] = [
        {"direction": "high", "levels": {"yellow": 12.0}, "deadband": 1.0, "source": "Test"}
    ]
    (together,) = group_in(tree, "sums")["channels"]
    together["limits"][0]["levels"] = {"orange": 90.0}
    group_in(tree, "sums")["period_s"] = 120
    return tree


async def lived(dsn: str, folder: Path, seed: int) -> Path:
    async with await connect(dsn, name="test", autocommit=True) as connection:
        await connection.execute(FAULTS)
        await connection.execute(FORGET)
        path = write_site(folder, site_document())
        await Run(dsn, path, connection).through(script(seed), Plan(range(0, 1000, 3)))
    return path


async def judged(dsn: str, plan: SitePlan) -> list[Transition]:
    async with reading_snapshot(dsn) as connection:
        site_id = await site_id_of(connection, plan.site.site)
        assert site_id is not None
        stored = await open_history(connection, site_id, SiteVersion("x", plan, ""), SPAN_US)
        return [one async for told in by_event_time(stored, plan) for one in told.transitions]


async def plainly(dsn: str, plan: SitePlan) -> list[Transition]:
    """The same by other means: everything that is stored, row by row, in one step of the engine."""
    async with await connect(dsn, name="test", autocommit=True) as connection:
        rows = await fetch(connection, STORED)
    by_group: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        at_us = instant_us(row["judged_at"] or row["time"])
        found = by_group.setdefault(row["key"], {}).setdefault(at_us, row)
        for n, number in enumerate(row["raw"]):
            if np.isnan(found["raw"][n]) and not np.isnan(number):
                found["raw"][n] = number
                if found["quality"] is not None:
                    found["quality"][n] = row["quality"][n] if row["quality"] else 0
    scans = []
    for key, of in by_group.items():
        group = plan.group_by_key[key]
        raw = np.array([of[at_us]["raw"] for at_us in sorted(of)])
        told = [of[at_us]["quality"] or [0] * raw.shape[1] for at_us in sorted(of)]
        quality = np.array([[one if one in KEPT else 0 for one in row] for row in told], np.int16)
        value, quality = GroupConverter(group).convert(raw, quality)
        sampled_us = np.array([instant_us(of[at_us]["time"]) for at_us in sorted(of)])
        judged_us = np.array(sorted(of))
        quality[(sampled_us != judged_us)[:, None] & (quality == 0)] = Quality.CLOCK_SUSPECT
        scans.append(JudgedScans(group.index, sampled_us, judged_us, raw, value, quality))
    given = tuple(sorted(scans, key=lambda one: one.group))
    engine = SiteEngine(plan)
    state = engine.initial_state()
    nobody = np.zeros(len(plan.groups), np.bool_)
    ticks = TickSchedule(plan).due(state, given, nobody)
    return list(engine.step(state, Inputs(scans=given, ticks=ticks)).transitions)


def by_time(transitions: list[Transition]) -> list[tuple[Any, ...]]:
    return sorted((one.sampled_us, one.channel, one.rule, one.key) for one in transitions)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_configuration_is_held_to_the_stored_numbers(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    asyncio.run(lived(postgres_dsn, tmp_path, seed))
    plan = plan_in(other_document())

    found = asyncio.run(judged(postgres_dsn, plan))

    assert by_time(found) == by_time(asyncio.run(plainly(postgres_dsn, plan)))
    told = {one.channel for one in found if one.kind is AlarmKind.PROCESS}
    assert {"pond", "tip", "crack"} <= told
    assert {one.rule for one in found} >= {"clock", "limit_high"}
    for most in (3, 11):
        monkeypatch.setattr(history, "SCANS_AT_ONCE", most)
        assert by_time(asyncio.run(judged(postgres_dsn, plan))) == by_time(found)


def stepping_file(days: int) -> str:
    """Hourly readings: a pond that is high on every second evening, a crack that opens."""
    lines = ["time,pond,toe,crack"]
    for n in range(24 * days):
        pond = 5.0 + 6.0 * (n % 48 >= 40)
        lines.append(f"2025-07-{1 + n // 24:02}T{n % 24:02}:00:00Z,{pond},1.0,{40 + n / 24}")
    return "\n".join(lines) + "\n"


async def imported(dsn: str, folder: Path, text: str, tree: dict[str, Any] | None = None) -> Path:
    """Import a logger's file into a new site."""
    site = write_site(folder, tree or site_document())
    (folder / "old.csv").write_text(text, encoding="utf-8")
    mapping = folder / "mapping.yaml"
    mapping.write_text(
        """
files:
  - header_rows: 1
    names_row: 1
    time: { format: "%Y-%m-%dT%H:%M:%S%z" }
    groups: { levels: { pond: pond, toe: toe }, cracks: { crack: crack } }
""",
        encoding="utf-8",
    )
    request = ImportRequest((folder / "old.csv",), site, mapping, dsn)
    await import_files(request, HandClock(BEGAN_US + 40 * 24 * HOUR_US), NoProgress())
    return site


def request_of(dsn: str, site: Path, days: int = 20, **words: Any) -> BackTestRequest:
    to_us = BEGAN_US + days * 24 * HOUR_US
    return BackTestRequest(site=site, dsn=dsn, from_us=BEGAN_US, to_us=to_us, **words)


def test_imported_history_is_judged_by_event_time_only(postgres_dsn: str, tmp_path: Path) -> None:
    site = asyncio.run(imported(postgres_dsn, tmp_path, stepping_file(20)))

    recorded = asyncio.run(back_test(request_of(postgres_dsn, site), NoProgress()))
    timed = asyncio.run(back_test(request_of(postgres_dsn, site, order="event-time"), NoProgress()))

    assert recorded.finding.order == "recorded"
    assert recorded.finding.process.alarms == 0
    of = timed.finding.process.by_channel
    assert of["pond"].alarms == 10
    assert of["pond"].time_s == {Level.YELLOW: 10 * 8 * 3600.0}
    assert of["crack"].alarms == 1
    assert timed.finding.technical.alarms == 0


def test_two_configurations_and_known_events(postgres_dsn: str, tmp_path: Path) -> None:
    site = asyncio.run(imported(postgres_dsn, tmp_path, stepping_file(20)))
    tree = other_document()
    tree["name"] = {"en": "Other", "zh": "别"}
    (tmp_path / "other").mkdir()
    other = write_site(tmp_path / "other", tree)
    events = tmp_path / "known.csv"
    events.write_text(
        "name,begins_at,channel,structure\n"
        "slide,2025-07-13T00:00:00Z,crack,\n"
        "seepage,2025-07-05T12:00:00Z,,dam\n",
        encoding="utf-8",
    )

    test = asyncio.run(
        back_test(request_of(postgres_dsn, site, against=other, events=events), NoProgress())
    )

    assert test.comparison is not None
    assert test.against is not None
    assert test.finding.order == test.against.order == "event-time"
    # The pond stands above blue all the time under the other file: what was yellow has moved.
    assert test.against.process.by_channel["pond"].alarms == 1
    assert test.comparison.by_channel["pond"] == {"moved": 1, "removed": 9}
    assert test.comparison.same == 1
    told = test.finding.announcements
    assert told is not None
    slide = next(one for one in told.detections if one.event.name == "slide")
    seepage = next(one for one in told.detections if one.event.name == "seepage")
    # The crack reaches 50 ten days after the beginning, and is believed two hours later.
    assert slide.lead_s == 24 * 3600.0
    assert slide.since_before
    assert seepage.lead_s is None
    assert len(told.false_alarms) == 9


def test_a_channel_that_stands_elsewhere_is_refused(postgres_dsn: str, tmp_path: Path) -> None:
    site = asyncio.run(imported(postgres_dsn, tmp_path, stepping_file(1)))
    tree = json.loads(site.read_text())
    group_in(tree, "cracks")["channels"][0] |= {"slot": 3}
    site.write_text(json.dumps(tree))
    with pytest.raises(BackTestRefusedError, match=r"crack.* stored in slot 0 of group cracks"):
        asyncio.run(back_test(request_of(postgres_dsn, site), NoProgress()))


async def test_an_unknown_site_is_refused(postgres_dsn: str, tmp_path: Path) -> None:
    site = write_site(tmp_path, site_document())
    with pytest.raises(BackTestRefusedError, match="knows no site 'mine'"):
        await back_test(request_of(postgres_dsn, site), NoProgress())


def quiet_file(days: int) -> str:
    """A pond with noise, a daily course and a resolution; a crack that opens all the time."""
    chance = np.random.default_rng(5)
    lines = ["time,pond,toe,crack"]
    for n in range(144 * days):
        at = instant_at(BEGAN_US + n * 600 * 1_000_000)
        pond = 5.0 + 0.5 * np.sin(2 * np.pi * n / 144) + 0.1 * chance.standard_normal()
        toe = 2.0 + 0.05 * chance.standard_normal()
        cells = f"{round(pond / 0.05) * 0.05:.2f},{toe:.6f},{20 + n / 600:.4f}"
        lines.append(f"{at:%Y-%m-%dT%H:%M:%SZ},{cells}")
    return "\n".join(lines) + "\n"


def test_proposals_from_what_was_imported(
    postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = site_document()
    for key in ("levels", "pressures", "cracks", "sums"):
        group_in(tree, key)["period_s"] = 600
    group_in(tree, "sums")["channels"][0]["max_age_s"] = 1800
    pond, toe = group_in(tree, "levels")["channels"]
    pond["limits"][0]["deadband"] = 0.01
    del toe["limits"]
    site = asyncio.run(imported(postgres_dsn, tmp_path, quiet_file(30), tree))
    before = site.read_text(encoding="utf-8")

    code = run_suggest(SuggestRequest(site, postgres_dsn, BEGAN_US, BEGAN_US + 2**42))

    told = capsys.readouterr().out
    remarks = {line.split(":")[0]: line for line in told.splitlines() if line.startswith("# ")}
    assert code == 0
    assert site.read_text(encoding="utf-8") == before
    assert "4,320 readings of 2025-07-01 to 2025-07-30, 0.00% bad" in remarks["# pond"]
    assert "resolution 0.05, daily course ±0." in remarks["# pond"]
    assert "limits[0].deadband 0.01 to 0.3" in remarks["# pond"]
    assert "new limits, blue and yellow only" in remarks["# toe"]
    assert "it drifts by" in remarks["# crack"]
    assert "0 good readings are too few" in remarks["# tip"]
    assert set(remarks) == {"# pond", "# toe", "# crack", "# tip", "# base"}
    (tmp_path / "said.diff").write_text(told, encoding="utf-8")
    subprocess.run(["git", "apply", "-p0", "--unsafe-paths", "said.diff"], cwd=tmp_path, check=True)
    after = plan_of(read_site_file(site)).channel_by_key
    (limit,) = after["pond"].channel.limits
    assert limit.deadband == pytest.approx(0.3, abs=0.05)
    assert limit.levels.yellow == 10.0
    assert [one.direction for one in after["toe"].channel.limits] == ["high", "low"]


def test_a_channel_that_is_not_there_is_refused(
    postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = asyncio.run(imported(postgres_dsn, tmp_path, stepping_file(1)))
    for channels, said in ((("x",), "has no channel x"), (("together",), "only measured")):
        request = SuggestRequest(site, postgres_dsn, BEGAN_US, BEGAN_US + 2**42, channels)
        assert run_suggest(request) == 2
        assert said in capsys.readouterr().err
