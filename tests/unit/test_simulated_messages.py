"""What simulated loggers publish: their registers as messages, births, deaths and faults."""

import json
from itertools import pairwise

import numpy as np
import pytest

from simulators.field import Unit, units_of
from simulators.messages import JsonPublisher, Published, SparkplugPublisher
from simulators.mqtt_device import Turns
from simulators.mqtt_site import mqtt_site_text
from simulators.scenario import DEVICES, demo_site_text, read_scenario
from simulators.stamping import Telling
from telemetry.plan import plan_of
from telemetry.site import Site
from telemetry.site_file import read_site_text
from telemetry.sparkplug import Payload, decode_payload


def demo_site(scenario: str) -> Site:
    return read_site_text(demo_site_text(read_scenario(scenario), {}), "demo-site.yaml")


def units(scenario: str, device: str) -> tuple[Unit, ...]:
    return units_of(read_scenario(scenario), plan_of(demo_site(scenario)), device, seed=3)


def at(unit: Unit, step: int) -> Telling:
    return Telling(step * unit.period_us, step, step * unit.period_us)


@pytest.mark.parametrize("sparkplug", [False, True])
def test_the_mqtt_variant_of_the_demo_mine_is_a_site_file(sparkplug: bool) -> None:
    site = demo_site("calm")
    text = mqtt_site_text(site, host="127.0.0.1", port=1883, sparkplug=sparkplug)
    variant = read_site_text(text, "variant.yaml")
    assert {bus.kind for bus in variant.buses} == {"mqtt"}
    one = read_site_text(
        mqtt_site_text(site, host="127.0.0.1", port=1883, buses=["dam-bus"]), "variant.yaml"
    )
    assert {bus.id: bus.kind for bus in one.buses}["fan-bus"] == "modbus_tcp"


@pytest.mark.parametrize("device", DEVICES)
def test_messages_hold_what_the_registers_hold(device: str) -> None:
    found = units("calm", device)
    publisher = JsonPublisher("demo-mine", found)
    for n, unit in enumerate(found):
        step = unit.began_us // unit.period_us + 17
        (one,) = publisher.scan(n, at(unit, step))
        document = json.loads(one.payload)
        assert one.topic == f"groundwatch/demo-mine/{unit.plan.key}"
        assert one.qos == 1
        assert document.pop("at_ms") * 1000 == step * unit.period_us
        row = unit.read(np.array([step]))[0]
        assert document == {channel.key: row[channel.slot] for channel in unit.plan.channels}


def test_a_dead_unit_says_nothing_and_a_sparkplug_device_dies_and_is_born_again() -> None:
    found = units("sensor-faults", "dam")
    n, unit = next(
        (n, unit) for n, unit in enumerate(found) if any(f.kind == "dead_unit" for f in unit.faults)
    )
    fault = next(fault for fault in unit.faults if fault.kind == "dead_unit")
    dead = (unit.began_us + round(fault.begins_s * 1e6)) // unit.period_us + 1
    alive = [dead - 3, dead - 2, dead + round(fault.lasts_s * 1e6) // unit.period_us + 1]
    assert list(JsonPublisher("demo-mine", found).scan(n, at(unit, dead))) == []

    publisher = SparkplugPublisher("dam", found)
    assert publisher.will.topic == "spBv1.0/groundwatch/NDEATH/dam"
    said = list(publisher.connected([at(one, alive[0]) for one in found]))
    assert [kind(one) for one in said[:2]] == ["NBIRTH", "DBIRTH"]
    for step in (alive[1], dead, dead + 1, alive[2]):
        said += publisher.scan(n, at(unit, step))
    assert [kind(one) for one in said[-3:]] == ["DDATA", "DDEATH", "DBIRTH"]
    assert [decoded(one).seq for one in said] == list(range(len(said)))
    assert all(one.qos == 0 for one in said)


def kind(one: Published) -> str:
    return one.topic.split("/")[2]


def decoded(one: Published) -> Payload:
    return decode_payload(one.payload)


def test_sparkplug_says_only_what_has_changed_but_always_something() -> None:
    found = units("calm", "fan")
    publisher = SparkplugPublisher("fan", found)
    step = found[0].began_us // found[0].period_us + 5
    births = list(publisher.connected([at(one, step) for one in found]))
    names = {metric.alias: metric.name for metric in decoded(births[1]).metrics}
    (change,) = publisher.scan(0, at(found[0], step + 1))
    before, after = found[0].read(np.array([step, step + 1]))
    slots = {channel.key: channel.slot for channel in found[0].plan.channels}
    told = {names[metric.alias]: metric.value for metric in decoded(change).metrics}
    assert told == {key: after[n] for key, n in slots.items() if after[n] != before[n]}
    (nothing_new,) = publisher.scan(0, at(found[0], step + 1))
    assert len(decoded(nothing_new).metrics) == 1


def test_a_birth_number_of_its_own_for_each_connection() -> None:
    publisher = SparkplugPublisher("fan", units("calm", "fan"))
    numbers = [decoded(publisher.will).metrics[0].value for _ in range(3)]
    assert numbers == [0, 1, 2]


def test_each_step_is_told_once_although_some_come_late() -> None:
    found = {unit.plan.key: unit for unit in units("sensor-faults", "mine")}
    turns = Turns(found["mine-stress"])
    told = []
    for _ in range(120):
        told.append(turns.next)
        turns.told()
    assert len({one.step for one in told}) == len(told)
    assert all(earlier.told_us <= later.told_us for earlier, later in pairwise(told))
    steps = [one.step for one in told]
    assert steps != sorted(steps)  # The radio link that keeps scans for six minutes.


def test_what_waited_too_long_is_given_up() -> None:
    (unit, *_) = units("calm", "mine")
    turns = Turns(unit)
    turns.forget(turns.next.told_us + 100 * unit.period_us)
    assert turns.next.told_us == unit.began_us + 101 * unit.period_us
