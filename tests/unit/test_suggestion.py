"""What quiet history says about a channel, what it does not, and how that is written down."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_sites import BEGAN_US, MINUTE_US, channel, limit, plan, scans

from alarms.suggestion.gathering import Thinned
from alarms.suggestion.proposal import Change, Proposal, propose
from alarms.suggestion.quiet import History, NotQuietError, quiet_in, resolution_of
from alarms.suggestion.site_edit import diff_of, edited
from telemetry.plan import ChannelPlan
from telemetry.site_file import read_site_text
from telemetry.yaml_tree import read_yaml

HOURS = np.arange(30 * 24 * 6) / 6.0  # A month of readings ten minutes apart.


def history(value: Any, *, bad: int = 0) -> History:
    numbers = np.asarray(value, np.float64)
    step = np.diff(numbers, prepend=np.nan)
    return History(HOURS[: len(numbers)], numbers, step, len(numbers), bad)


def quiet_readings(*, noise: float = 0.2, wave: float = 3.0, step: float = 0.0) -> Any:
    chance = np.random.default_rng(7)
    value = 100.0 + wave * np.sin(2 * np.pi * HOURS / 24.0 + 1.0)
    value += noise * chance.standard_normal(len(HOURS))
    return np.round(value / step) * step if step else value


def test_noise_and_daily_course_are_told_apart() -> None:
    quiet = quiet_in(history(quiet_readings()))
    assert quiet.noise == pytest.approx(0.2, rel=0.2)
    assert quiet.daily_amplitude == pytest.approx(3.0, rel=0.02)
    assert quiet.median == pytest.approx(100.0, abs=0.2)
    assert quiet.resolution is None
    assert 102.5 < quiet.high < quiet.highest < 104.5


def test_a_resolution_is_seen_and_bounds_the_noise_from_below() -> None:
    quiet = quiet_in(history(quiet_readings(noise=0.001, wave=1.0, step=0.5)))
    assert quiet.resolution == 0.5
    assert quiet.noise == pytest.approx(0.5 / np.sqrt(12))
    assert resolution_of(np.random.default_rng(1).standard_normal(5000)) is None


@pytest.mark.parametrize(
    ("value", "bad", "said"),
    [
        (quiet_readings()[:900], 0, "900 good readings are too few"),
        (quiet_readings()[: 6 * 24 * 7 - 3], 0, "7.0 days are too short"),
        (quiet_readings(), 2_000, "32% of the readings are bad"),
        (quiet_readings() + HOURS / 20, 0, "drifts by 3"),
        (quiet_readings() + 1.0 * ((HOURS > 300) & (HOURS < 420)), 0, "higher at some times"),
        (np.where(np.arange(len(HOURS)) % 100 == 0, 400.0, quiet_readings()), 0, "1.0% of the"),
    ],
)
def test_what_is_too_little_or_not_quiet_is_refused(value: Any, bad: int, said: str) -> None:
    with pytest.raises(NotQuietError, match=said):
        quiet_in(history(value, bad=bad))


def of(**words: Any) -> ChannelPlan:
    return plan({"group": [channel("level", 0, **words)]}).channels[0]


def proposed(one: ChannelPlan, period_s: float = 60.0) -> Proposal:
    return propose(one, quiet_in(history(quiet_readings())), period_s=period_s, source="Quiet")


def test_a_deadband_and_delays_are_proposed_but_never_a_set_bound() -> None:
    found = proposed(of(limits=[limit(yellow=120.0, red=130.0, deadband=0.1, off_delay_s=600.0)]))
    changes = {one.key: (one.before, float(one.words)) for one in found.changes}
    assert set(changes) == {"deadband", "on_delay_s"}
    assert changes["deadband"] == ("0.1", pytest.approx(0.6, rel=0.2))
    assert changes["on_delay_s"] == ("0", 120.0)  # Two periods are longer than the usual minute.
    assert found.limits is None
    kept = limit(yellow=120.0, deadband=0.7, on_delay_s=120.0, off_delay_s=120.0)
    assert proposed(of(limits=[kept])).is_empty


def test_what_is_read_seldom_is_confirmed_instead_of_delayed() -> None:
    found = proposed(of(limits=[limit(yellow=120.0, deadband=0.7)]), period_s=3600.0)
    assert [(one.key, one.words) for one in found.changes] == [
        ("confirm", "{ at_least: 2, of_last: 3 }")
    ]


def test_a_channel_without_limits_gets_some_just_beyond_what_is_usual() -> None:
    found = proposed(of())
    assert found.limits is not None
    high, low = read_yaml(found.limits, "x")[0].plain()
    readings = quiet_readings()
    assert np.mean(readings > high["levels"]["blue"]) < 0.001
    assert readings.max() < high["levels"]["yellow"] < readings.max() + 2.0
    assert low["levels"]["yellow"] < low["levels"]["blue"] < 97.0
    assert np.mean(readings < low["levels"]["blue"]) < 0.001
    assert set(high["levels"]) == {"blue", "yellow"}


def test_a_channel_that_violated_its_limits_was_not_quiet() -> None:
    with pytest.raises(NotQuietError, match="violate its high limit of 102"):
        proposed(of(limits=[limit(yellow=102.0, red=130.0)]))
    with pytest.raises(NotQuietError, match="violate its low limit of 98"):
        proposed(of(limits=[limit("low", yellow=98.0, red=90.0)]))


def test_a_chart_is_told_what_is_usual() -> None:
    chart = {"method": "ewma", "direction": "high", "levels": {"yellow": 5.0}, "source": "x"}
    found = proposed(of(charts=[chart | {"sigma": 0.5}]))
    changes = {one.key: (one.before, float(one.words)) for one in found.changes}
    assert changes["sigma"] == ("0.5", pytest.approx(2.13, rel=0.05))
    assert changes["mean"] == ("learned", pytest.approx(100.0, abs=0.2))


SITE = Path(__file__).parents[1] / "site_files" / "north-mine.yaml"
TEXT = """\
site: small   # the mine
name: { en: Small, zh: 小 }
time_zone: UTC
began_at: 2020-01-01T00:00:00Z
buses: [{ id: bus, edge: edge, gateway: {} }]
structures:
  - id: dam
    kind: tailings_dam
    name: { en: Dam, zh: 坝 }
    stations:
      - id: crest
        name: { en: Crest, zh: 顶 }
        instruments: [{ id: gauge, type: gauge }]
        scan_groups:
          - id: levels
            period_s: 60
            bus: bus
            channels:
              # The pond, as surveyed.
              - id: pond
                instrument: gauge
                quantity: water_level
                unit: m
                slot: 0  # the first
                limits:
                  - direction: high  # upwards
                    levels: { yellow: 10.0, red: 20.0 }
                    deadband: 0.1 # too small?
                    source: "Design, 4.2"  # page 7
              - { id: toe, instrument: gauge, quantity: water_level, unit: m, slot: 1 }
              - id: base
                instrument: gauge
                quantity: water_level
                unit: m
                slot: 2
                limits: [{ direction: high, levels: { blue: 1.0 }, source: "D, x" }]
"""


def test_only_what_changes_is_written_and_comments_stay(tmp_path: Path) -> None:
    proposals = [
        Proposal(
            "pond",
            [
                Change("limits", 0, "deadband", "0.5", "0.1"),
                Change("limits", 0, "on_delay_s", "60", "0"),
            ],
        ),
        Proposal("toe", [], '[{ direction: low, levels: { blue: 0.5 }, source: "Quiet, x" }]'),
        Proposal("base", [Change("limits", 0, "deadband", "0.2", "0")]),
    ]
    after = edited(TEXT, proposals)
    diff = diff_of(TEXT, after, "small.yaml")
    touched = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in "+++---"]
    assert [line.strip("+- ") for line in touched] == [
        "deadband: 0.1 # too small?",
        "deadband: 0.5 # too small?",
        "{ id: toe, instrument: gauge, quantity: water_level, unit: m, slot: 1 }",
        "on_delay_s: 60",
        "{ id: toe, instrument: gauge, quantity: water_level, unit: m, slot: 1, limits: "
        '[{ direction: low, levels: { blue: 0.5 }, source: "Quiet, x" }] }',
        'limits: [{ direction: high, levels: { blue: 1.0 }, source: "D, x" }]',
        'limits: [{ direction: high, levels: { blue: 1.0 }, source: "D, x", deadband: 0.2 }]',
    ]
    site = read_site_text(after, "after")
    pond, toe, base = site.structures[0].stations[0].scan_groups[0].channels
    assert (pond.limits[0].deadband, pond.limits[0].on_delay_s) == (0.5, 60.0)
    assert toe.limits[0].levels.blue == 0.5
    assert base.limits[0].deadband == 0.2
    (tmp_path / "small.yaml").write_text(TEXT, encoding="utf-8")
    remarks = "# pond: what it rests on\n"
    subprocess.run(
        ["git", "apply", "-p0", "-"], cwd=tmp_path, input=remarks + diff, text=True, check=True
    )
    assert (tmp_path / "small.yaml").read_text(encoding="utf-8") == after


def test_every_limit_of_a_real_file_can_be_written() -> None:
    text = SITE.read_text(encoding="utf-8")
    site = read_site_text(text, "north")
    channels = [
        one
        for structure in site.structures
        for station in structure.stations
        for group in (*station.scan_groups, *station.calculated_groups)
        for one in group.channels
    ]
    proposals = [
        Proposal(
            one.id,
            [
                Change("limits", n, key, "7", "")
                for n, limit in enumerate(one.limits)
                if one.states is None
                for key in ("deadband", "off_delay_s")
            ],
        )
        for one in channels
        if one.limits
    ]
    assert proposals
    after = json.loads(read_site_text(edited(text, proposals), "after").model_dump_json())
    before = json.loads(site.model_dump_json())
    for structure in before["structures"]:
        for station in structure["stations"]:
            for group in (*station["scan_groups"], *station["calculated_groups"]):
                for one in group["channels"]:
                    for each in one["limits"]:
                        each |= {"deadband": 7.0, "off_delay_s": 7.0}
    assert after == before


def test_thinning_keeps_the_span_the_counts_and_neighbouring_steps() -> None:
    group = plan({"group": [channel("level", 0), channel("other", 2)]}).groups[0]
    chance = np.random.default_rng(3)
    value = np.column_stack([np.arange(5000.0), np.zeros(5000), chance.standard_normal(5000)])
    value[::10, 0] = np.nan
    at_us = BEGAN_US + np.arange(5000) * MINUTE_US
    whole, cut = Thinned(group, kept_max=600), Thinned(group, kept_max=600)
    whole.take(scans(0, at_us, value))
    for begin in range(0, 5000, 333):
        end = min(begin + 333, 5000)
        cut.take(scans(0, at_us[begin:end], value[begin:end]))
    for slot in (0, 2):
        one, other = whole.history(slot), cut.history(slot)
        np.testing.assert_array_equal(one.value, other.value)
        np.testing.assert_array_equal(one.step, other.step)
        assert (one.good, one.bad) == (other.good, other.bad)
    level = cut.history(0)
    assert (level.good, level.bad) == (4500, 500)
    assert len(level.value) <= 600
    assert set(level.step[np.isfinite(level.step)]) == {1.0}
    assert cut.span_us is not None
    assert cut.span_us[0] == BEGAN_US


def test_readings_far_apart_are_not_successive() -> None:
    group = plan({"group": [channel("level", 0)]}).groups[0]
    at_us = BEGAN_US + np.array([0, 1, 2, 60, 61]) * MINUTE_US
    thinned = Thinned(group)
    thinned.take(scans(0, at_us, [[1.0], [1.5], [1.0], [9.0], [9.5]]))
    np.testing.assert_array_equal(thinned.history(0).step, [np.nan, 0.5, -0.5, np.nan, 0.5])
