"""By event time a back-test judges what is stored anew: any configuration, imports included."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from history import NoProgress, import_of_mine, stepping_file
from ingest_bench import fetch
from ingest_site import BEGAN_US, HOUR_US, NAME, group_in, plan_in, site_document, write_site
from recovery_bench import FAULTS, FORGET, Plan, Run
from recovery_script import script

from alarms import ticks
from alarms.backtest import history, lives
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
from alarms.slow import judge
from alarms.slow.asking import Answer, Question
from alarms.slow.judge import SlowJudge
from alarms.ticks import TickSchedule
from alarms.transition import AlarmKind, Inputs, Transition
from historian.connection import connect
from historian.registry import site_id_of
from telemetry.clock import instant_us
from telemetry.conversion import GroupConverter
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Level

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
    for channel in (pond, toe):
        channel["trends"] = [
            {"method": "rate", "direction": way, "window_s": 600, "bin_s": 60}
            | {"levels": {"yellow": bound}, "source": "Test"}
            for way, bound in (("high", 10.0), ("low", -10.0))
        ]
    tip, base = group_in(tree, "pressures")["channels"]
    # What was out of range has a value now.
    base["range"] = [-100.0, 2000.0]
    base["limits"] = [{"direction": "high", "levels": {"red": 1000.0}, "source": "Test"}]
    tip["conversion"]["gain"] = 2.0
    tip["limits"] = [
        {"direction": "high", "levels": {"yellow": 12.0}, "deadband": 1.0, "source": "Test"}
    ]
    (together,) = group_in(tree, "sums")["channels"]
    together["limits"][0]["levels"] = {"orange": 90.0}
    group_in(tree, "sums")["period_s"] = 120
    tree["structures"][0]["voting"] = {
        "every_s": 120,
        "max_age_s": 180,
        "ladder": {"blue_to_yellow": 2, "yellow_to_orange": 2, "source": "Test"},
        "items": [
            {"id": "pool", "slot": 1, "name": NAME, "points": ["pond"]},
            {"id": "line", "slot": 2, "name": NAME, "points": ["pond", "tip", "base", "together"]},
        ],
    }
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
    ticks = TickSchedule(plan, votes=False).due(state, given, nobody)
    outcome = engine.step(state, Inputs(scans=given, ticks=ticks))
    slow = SlowJudge(plan)
    beliefs = slow.step(slow.initial_state(), given).beliefs
    told = list(engine.step(state, Inputs(beliefs=tuple(beliefs))).transitions)
    votes = TickSchedule(plan, votes=True).due(state, (), nobody)
    told += engine.step(state, Inputs(ticks=votes)).transitions
    return [*outcome.transitions, *told]


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
    assert {"pond", "tip", "crack", "base"} <= told
    assert {one.rule for one in found} >= {"clock", "limit_high", "trend_rate_low_600", "vote"}
    for module in (history, ticks):
        monkeypatch.setattr(module, "TICKS_AT_ONCE_MAX", 2)
    assert by_time(asyncio.run(judged(postgres_dsn, plan))) == by_time(found)
    for most in (3, 11):
        monkeypatch.setattr(history, "SCANS_AT_ONCE", most)
        assert by_time(asyncio.run(judged(postgres_dsn, plan))) == by_time(found)


def test_a_method_that_fails_is_named_beside_what_is_missing(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(asked: Question) -> Answer:
        raise ZeroDivisionError("no slope")

    site = asyncio.run(lived(postgres_dsn, tmp_path, seed=3))
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    request = request_of(postgres_dsn, site, against=write_site(elsewhere, other_document()))
    monkeypatch.setattr(judge, "METHODS", {**judge.METHODS, "rate": fails})
    found = asyncio.run(back_test(request, NoProgress()))
    assert found.against is not None
    (said,) = [one for one in found.against.remarks if "rate" in one]
    assert "no slope" in said
    assert not [one for one in found.finding.remarks if "rate" in one]
    assert found.against.process.alarms  # Limits are judged all the same.


def test_a_group_that_ends_is_not_waited_for(postgres_dsn: str, tmp_path: Path) -> None:
    """The crack meter was taken away on the sixth day; its last value holds for a month."""
    lines = stepping_file(20).splitlines()
    ended = [line if n <= 120 else f"{line.rpartition(',')[0]}," for n, line in enumerate(lines)]
    tree = site_document()
    (together,) = group_in(tree, "sums")["channels"]
    together |= {"max_age_s": 30 * 86_400.0}
    together["limits"][0]["levels"] = {"orange": 55.0}
    text = "\n".join(ended) + "\n"
    site = asyncio.run(import_of_mine(postgres_dsn, tmp_path, text, tree))

    request = request_of(postgres_dsn, site, order="event-time")
    found = asyncio.run(back_test(request, NoProgress()))

    days = [day for day, of in found.finding.process.by_day.items() if "together" in of]
    # Every second evening, which in Shanghai is the next day; all of them after the end.
    assert days == [f"2025-07-{day:02}" for day in range(7, 22, 2)]


def test_what_stood_before_the_span_is_known(postgres_dsn: str, tmp_path: Path) -> None:
    """The pond is high from 16:00 to midnight of the second day; the span begins at 20:00."""
    site = asyncio.run(import_of_mine(postgres_dsn, tmp_path, stepping_file(4)))
    request = BackTestRequest(
        site=site,
        dsn=postgres_dsn,
        from_us=BEGAN_US + 44 * HOUR_US,
        to_us=BEGAN_US + 60 * HOUR_US,
        order="event-time",
    )
    of = asyncio.run(back_test(request, NoProgress())).finding.process.by_channel["pond"]
    assert of.alarms == 0
    assert of.time_s == {Level.YELLOW: 4 * 3600.0}
    assert of.longest_s == 8 * 3600.0


def test_what_is_too_much_at_once_is_said(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = asyncio.run(lived(postgres_dsn, tmp_path, 1))
    request = request_of(postgres_dsn, site, days=1, order="event-time")
    monkeypatch.setattr(history, "SCANS_REPAIRED_MAX", 0)
    found = asyncio.run(back_test(request, NoProgress()))
    assert any("clock was wrong" in one for one in found.finding.remarks)
    monkeypatch.setattr(lives, "LIVES_MAX", 2)
    found = asyncio.run(back_test(request, NoProgress()))
    assert len(found.finding.lives) == 2
    assert found.finding.left_out > 0
    monkeypatch.setattr(history, "SCANS_AT_ONCE", 0)
    with pytest.raises(history.TooDenseError, match="within a second"):
        asyncio.run(back_test(request, NoProgress()))


def request_of(dsn: str, site: Path, days: int = 20, **words: Any) -> BackTestRequest:
    to_us = BEGAN_US + days * 24 * HOUR_US
    return BackTestRequest(site=site, dsn=dsn, from_us=BEGAN_US, to_us=to_us, **words)


def test_imported_history_is_judged_by_event_time_only(postgres_dsn: str, tmp_path: Path) -> None:
    site = asyncio.run(import_of_mine(postgres_dsn, tmp_path, stepping_file(20)))

    recorded = asyncio.run(back_test(request_of(postgres_dsn, site), NoProgress()))
    timed = asyncio.run(back_test(request_of(postgres_dsn, site, order="event-time"), NoProgress()))

    assert recorded.finding.order == "recorded"
    assert recorded.finding.process.alarms == 0
    of = timed.finding.process.by_channel
    assert of["pond"].alarms == 10
    # The last one stands at the last reading, an hour before the end of the span.
    assert of["pond"].time_s == {Level.YELLOW: (10 * 8 - 1) * 3600.0}
    assert of["crack"].alarms == 1
    assert timed.finding.technical.alarms == 0


def test_two_configurations_and_known_events(postgres_dsn: str, tmp_path: Path) -> None:
    site = asyncio.run(import_of_mine(postgres_dsn, tmp_path, stepping_file(20)))
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
    site = asyncio.run(import_of_mine(postgres_dsn, tmp_path, stepping_file(1)))
    tree = json.loads(site.read_text())
    group_in(tree, "cracks")["channels"][0] |= {"slot": 3}
    site.write_text(json.dumps(tree))
    with pytest.raises(BackTestRefusedError, match=r"crack.* stored in slot 0 of group cracks"):
        asyncio.run(back_test(request_of(postgres_dsn, site), NoProgress()))


async def test_an_unknown_site_is_refused(postgres_dsn: str, tmp_path: Path) -> None:
    site = write_site(tmp_path, site_document())
    with pytest.raises(BackTestRefusedError, match="knows no site 'mine'"):
        await back_test(request_of(postgres_dsn, site), NoProgress())
