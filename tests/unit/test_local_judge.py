"""The engine on an edge: the same alarms by the same names as at the centre."""

import numpy as np
from engine_sites import BEGAN_US, MINUTE_US, channel, limit, plan
from hypothesis import given
from hypothesis import strategies as st

from alarms.engine import SiteEngine
from alarms.local_judge import LocalJudge
from alarms.transition import Inputs
from telemetry.conversion import GroupConverter
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Level
from telemetry.sounders import Sounder

SIREN = Sounder.model_validate(
    {
        "id": "siren",
        "bus": "bus",
        "device_id": 20,
        "coil": {"reference": "00001"},
        "structures": ["dam"],
        "from_level": "orange",
    }
)


def dam() -> SitePlan:
    levels = limit(yellow=10.0, orange=20.0, red=30.0, deadband=2.0, on_delay_s=60.0)
    groups = {"levels": [channel("level", 0, limits=[levels])], "others": [channel("other", 0)]}
    return plan(groups)


def judge_of(site: SitePlan) -> LocalJudge:
    return LocalJudge(site.site, site.groups[0].edge or "", frozenset({"dam"}))


def take(judge: LocalJudge, minute: int, number: float, **words: int) -> None:
    bad = np.isnan(number)
    judge.take(
        "levels",
        sampled_us=np.array([words.get("sampled_us", BEGAN_US + minute * MINUTE_US)]),
        monotonic_us=np.array([words.get("monotonic_us", minute * MINUTE_US)]),
        raw=np.array([[number]]),
        quality=np.array([[Quality.NO_REPLY if bad else Quality.GOOD]], np.int16),
    )


@given(st.lists(st.sampled_from([5.0, 15.0, 19.0, 25.0, 28.5, 35.0, np.nan]), max_size=40))
def test_whatever_comes_the_edge_and_the_centre_name_the_same_alarms(numbers: list[float]) -> None:
    site = dam()
    engine, judge = SiteEngine(site), judge_of(site)
    state = engine.initial_state()
    converter = GroupConverter(site.groups[0])
    for minute, number in enumerate(numbers, 1):
        take(judge, minute, number)
        raw = np.array([[number]])
        sent = np.array([[Quality.NO_REPLY if np.isnan(number) else Quality.GOOD]], np.int16)
        value, quality = converter.convert(raw, sent)
        at_us = np.array([BEGAN_US + minute * MINUTE_US])
        engine.step(state, Inputs(scans=(JudgedScans(0, at_us, at_us, raw, value, quality),)))
        standing = {
            (one.occurrence, one.level)
            for one in state.alarms.values()
            if one.standing and one.level >= Level.ORANGE
        }
        assert {(one.occurrence, one.level) for one in judge.reasons(SIREN)} == standing


def test_silence_and_bad_readings_clear_nothing_and_the_deadband_holds() -> None:
    judge = judge_of(dam())
    for minute in (1, 2):
        take(judge, minute, 25.0)
    name = f"level/limit_high/{BEGAN_US + MINUTE_US}"
    for minute, number in ((3, np.nan), (90, np.nan), (91, 19.0)):
        take(judge, minute, number)
        assert [one.occurrence for one in judge.reasons(SIREN)] == [name]
    for minute in (92, 93):
        take(judge, minute, 17.0)
    assert judge.reasons(SIREN) == ()


def test_a_clock_that_is_set_back_does_not_blind_the_siren() -> None:
    judge = judge_of(dam())
    take(judge, 1, 5.0)
    for minute in (2, 3):  # By its battery's clock it is 2020; by its steady clock a minute passed.
        year_us = 365 * 24 * 60 * MINUTE_US
        take(judge, minute, 25.0, sampled_us=BEGAN_US - 5 * year_us + minute * MINUTE_US)
    assert [one.level for one in judge.reasons(SIREN)] == [Level.ORANGE]


def test_a_machine_that_started_anew_with_an_empty_battery_is_not_blind_either() -> None:
    judge = judge_of(dam())
    take(judge, 500, 5.0)
    for minute in (1, 2):
        take(judge, minute, 25.0, sampled_us=minute * MINUTE_US)
    assert [one.level for one in judge.reasons(SIREN)] == [Level.ORANGE]


def test_nothing_is_known_before_something_is_judged() -> None:
    judge = judge_of(dam())
    assert not judge.has_seen(frozenset({"dam"}))
    take(judge, 1, 5.0)
    assert judge.has_seen(frozenset({"dam"}))
    assert not judge.has_seen(frozenset({"slope"}))
