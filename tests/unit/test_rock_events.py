"""Simulated events: they are those that the network counts, and their detectors see the burst."""

import numpy as np
import pytest

from alarms.seismic.catalogue import Catalogue, keys_of
from alarms.seismic.judging import begin_watch, changed, judge_events, take_events
from simulators.event_messages import EventfulPublisher, event_message
from simulators.event_site import EVENT_SOURCE
from simulators.field import units_of
from simulators.mqtt_site import mqtt_site_text
from simulators.physics.rock import NO_EVENT_MAGNITUDE, Rockburst, Seismicity
from simulators.physics.rock_events import FACE_M, RockEvents, events_of
from simulators.scenario import demo_site_text, read_scenario
from simulators.stamping import Telling
from telemetry.event_message import EventDecoder
from telemetry.plan import EventSourcePlan, plan_of
from telemetry.site import Level
from telemetry.site_file import read_site_text

BURST = Rockburst(begins_s=180.0, bursts_s=2100.0, stress_rise_mpa=20.0)
MINUTES = np.arange(-30, 60)
TOPIC = "groundwatch/demo-mine/mine-network"


def network() -> EventSourcePlan:
    demo = read_site_text(demo_site_text(read_scenario("calm"), {}), "demo-site.yaml")
    text = mqtt_site_text(demo, host="127.0.0.1", port=1883)
    return plan_of(read_site_text(text, "variant.yaml")).event_source_by_key[EVENT_SOURCE]


def test_the_events_are_those_that_are_counted() -> None:
    rock = Seismicity(seed=5, burst=BURST)
    counts, events = rock.minutes(MINUTES), events_of(rock, MINUTES)

    assert len(events.number) == len(set(events.number.tolist())) == counts.count.sum()
    assert (np.diff(events.at_s) >= 0).all()
    of_minute = np.floor(events.at_s / 60.0).astype(np.int64)
    assert np.array_equal(np.bincount(of_minute + 30, minlength=90), counts.count)
    energy = np.bincount(of_minute + 30, events.energy_j, minlength=90)
    assert energy == pytest.approx(counts.energy_j)
    largest = np.full(90, NO_EVENT_MAGNITUDE)
    np.maximum.at(largest, of_minute + 30, events.magnitude)
    assert largest == pytest.approx(counts.largest_magnitude, abs=0.051)


def test_the_burst_is_one_of_them_at_the_face_at_its_instant() -> None:
    events = events_of(Seismicity(seed=5, burst=BURST), MINUTES)
    worst = int(np.argmax(events.magnitude))
    assert events.magnitude[worst] == 2.4
    assert events.at_s[worst] == BURST.bursts_s
    assert tuple(events.place_m[worst]) == FACE_M


def test_a_message_is_what_the_site_file_reads() -> None:
    rock = Seismicity(seed=5, burst=BURST)
    events = events_of(rock, MINUTES)

    found = EventDecoder("demo-mine", network()).decode(
        TOPIC, event_message(rock, MINUTES, 1_751_328_000_000_000)
    )

    assert found.complaints == ()
    assert sum(len(block) for block in found.blocks) == len(events.number)
    first = found.blocks[0]
    assert first.number_names == ("magnitude", "energy_j", "moment_nm")
    assert first.numbers[:, 1] == pytest.approx(events.energy_j[: len(first)], rel=1e-5)
    assert first.place == pytest.approx(events.place_m[: len(first)].round(1))


def test_the_network_tells_each_minutes_events_with_the_scan_that_ends_it() -> None:
    scenario = read_scenario("rockburst")
    demo = plan_of(read_site_text(demo_site_text(scenario, {}), "demo-site.yaml"))
    units = units_of(scenario, demo, "mine", seed=5)
    publisher = EventfulPublisher("demo-mine", units, scenario, seed=5)
    unit = next(n for n, one in enumerate(units) if one.plan.key == "mine-microseismic")
    period_us = units[unit].period_us
    began_step = units[unit].began_us // period_us
    decoder = EventDecoder("demo-mine", network())
    ids: list[str] = []
    for step in range(began_step, began_step + 1 + 40 * 60_000_000 // period_us):
        for one in publisher.scan(unit, Telling(step * period_us, step, step * period_us)):
            if one.topic == TOPIC:
                blocks = decoder.decode(one.topic, one.payload).blocks
                ids += [name for block in blocks for name in block.event_id]
    expected = events_of(Seismicity(seed=5, burst=scenario.rockburst), np.arange(40)).number
    assert ids == [f"m{number}" for number in expected.tolist()]


def catalogue_of(events: RockEvents) -> Catalogue:
    return Catalogue(
        keys_of(f"m{number}" for number in events.number.tolist()),
        np.round(events.at_s * 1e6).astype(np.int64),
        events.magnitude,
        events.energy_j,
        events.moment_nm,
    )


def raised(rock: Seismicity, until_s: int) -> dict[tuple[str, Level], float]:
    """When each level of each rule was reached first, judged every minute after two calm days."""
    source = network().source
    events = catalogue_of(events_of(rock, np.arange(-2 * 24 * 60, until_s // 60)))
    watch = begin_watch(int(events.at_us[0]))
    found: dict[tuple[str, Level], float] = {}
    before_us = int(events.at_us[0])
    for at_s in range(0, until_s, 60):
        at_us = at_s * 1_000_000
        after = take_events(watch, events.between(before_us, at_us), source, at_us)
        after, judgements = judge_events(after, source, at_us)
        for one in changed(watch, judgements):
            found.setdefault((one.rule, one.level), at_s)
        watch, before_us = after, at_us
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_rate_of_events_is_orange_minutes_before_the_burst(seed: int) -> None:
    found = raised(Seismicity(seed=seed, burst=BURST), 3600)
    assert found["event_rate_0.25", Level.ORANGE] <= BURST.bursts_s - 300
    # After it nobody goes back in.
    assert found["reentry_24", Level.ORANGE] <= BURST.bursts_s + 120


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_calm_day_raises_nothing(seed: int) -> None:
    assert raised(Seismicity(seed=seed), 24 * 3600) == {}
