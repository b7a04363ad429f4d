"""The field: every unit of a bus, and what its registers hold at each step.

A step is an instant of a unit's scan group: a multiple of its period since 1970. What a unit
holds is a function of (scenario, seed, step) alone.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.devices import SIGNALS_OF
from simulators.instruments import raw_of
from simulators.physics.chance import Counters, Floats, key_of, normal
from simulators.registers import Words, is_number, raw_in, word_count, words_of
from simulators.scenario import DEVICES, Fault, Scenario, ScenarioError
from simulators.signals import Signal, Signals
from simulators.units import Refusal
from telemetry.plan import GroupPlan, SitePlan
from telemetry.site import Channel, ScanGroup

STEPS_AHEAD = 64  # Computed together; one step at a time would cost ten times as much.


@dataclass(frozen=True, slots=True)
class Instrumented:
    """A channel of a unit with the signal behind it."""

    channel: Channel
    signal: Signal
    noise_key: int


class Unit:
    """One Modbus unit: a logger whose registers follow the signals of its channels."""

    def __init__(self, scenario: Scenario, group: GroupPlan, signals: Signals, seed: int) -> None:
        """Take the channels of a scan group; each must have a signal."""
        assert isinstance(group.group, ScanGroup)
        self.plan = group
        assert group.group.device_id is not None
        self.device_id = group.group.device_id
        self.period_us = group.period_us
        self.began_us = scenario.began_us
        self._channels = _instrumented(group, signals, seed)
        self.faults = tuple(fault for fault in scenario.faults if self._concerns(fault))
        self._chunk = lru_cache(maxsize=2)(self._compute_chunk)

    @property
    def first_address(self) -> int:
        """The lowest register."""
        return min(one.channel.modbus_register.address for one in self._channels)

    @property
    def register_count(self) -> int:
        """Registers from the lowest to the highest."""
        return self._end - self.first_address

    @property
    def _end(self) -> int:
        registers = [one.channel.modbus_register for one in self._channels]
        return max(register.address + word_count(register) for register in registers)

    def step_at(self, now_us: int) -> int:
        """The step that the registers hold now: from half a period before its instant to after."""
        return (now_us + self.period_us // 2) // self.period_us

    def holds(self, now_us: int) -> list[int] | Refusal:
        """What the registers hold now, unless the unit is dead."""
        step = self.step_at(now_us)
        return self.words(step) if self.answers(step) else Refusal.SILENT

    def answers(self, step: int) -> bool:
        """Whether the unit answers at all."""
        at_s = (step * self.period_us - self.began_us) / 1e6
        return not any(
            fault.kind in {"dead_unit", "gap"} and _lasts(fault, np.array([at_s]))[0]
            for fault in self.faults
        )

    def words(self, step: int) -> list[int]:
        """What the registers hold at a step, from the lowest register up."""
        chunk, place = divmod(step, STEPS_AHEAD)
        row: list[int] = self._chunk(chunk)[place].tolist()
        return row

    def words_at(self, steps: Counters) -> Words:
        """What the registers hold at some steps [step, register]."""
        words = np.zeros((len(steps), self.register_count), np.uint16)
        for one, raw in zip(self._channels, self._raw(steps), strict=True):
            register = one.channel.modbus_register
            begin = register.address - self.first_address
            words[:, begin : begin + word_count(register)] = words_of(register, raw)
        return words

    def read(self, steps: Counters) -> Floats:
        """What a client reads at some steps [step, slot], NaN while the unit does not answer.

        Through the registers, so that it is exactly what comes over the wire.
        """
        words = self.words_at(steps)
        read = np.full((len(steps), self.plan.slot_count), np.nan)
        for one in self._channels:
            register = one.channel.modbus_register
            begin = register.address - self.first_address
            read[:, one.channel.slot] = raw_in(
                register, words[:, begin : begin + word_count(register)]
            )
        read[~np.array([self.answers(int(step)) for step in steps], np.bool_)] = np.nan
        return read

    def _compute_chunk(self, chunk: int) -> Words:
        return self.words_at(np.arange(chunk * STEPS_AHEAD, (chunk + 1) * STEPS_AHEAD))

    def _raw(self, steps: Counters) -> list[Floats]:
        at_s = (steps * self.period_us - self.began_us) / 1e6
        values = {
            one.channel.id: one.signal.truth(at_s) + one.signal.noise * normal(one.noise_key, steps)
            for one in self._channels
        }
        faulty = values | {
            fault.channel: _as_seen(fault, at_s, values[fault.channel])
            for fault in self.faults
            if fault.channel is not None
        }
        numbers: list[Floats] = []
        for one in self._channels:
            # A faulty thermistor shows a wrong temperature; the wire beside it feels the true one.
            raw = raw_of(one.channel, values | {one.channel.id: faulty[one.channel.id]})
            if one.signal.raw_step:
                raw = np.rint(raw / one.signal.raw_step) * one.signal.raw_step
            for fault in self.faults:
                if fault.channel == one.channel.id and fault.raw is not None:
                    raw = np.where(_lasts(fault, at_s), fault.raw, raw)
            numbers.append(raw)
        for n, one in enumerate(self._channels):
            for fault in self.faults:
                frozen = _lasts(fault, at_s)
                if fault.kind == "frozen" and fault.channel == one.channel.id and frozen.any():
                    numbers[n] = np.where(frozen, self._held(fault, n), numbers[n])
        return numbers

    def _held(self, fault: Fault, n: int) -> float:
        """The raw number at which a frozen channel stays: the last one before the fault."""
        begin_us = self.began_us + round(fault.begins_s * 1e6)
        before = -(-begin_us // self.period_us) - 1
        return float(self._raw(np.array([before]))[n][0])

    def _concerns(self, fault: Fault) -> bool:
        mine = {one.channel.id for one in self._channels}
        return fault.group == self.plan.key or fault.channel in mine


def units_of(scenario: Scenario, plan: SitePlan, device: str, seed: int) -> tuple[Unit, ...]:
    """Make the units on a device's bus, which is called after the device (`dam-bus`)."""
    if device not in DEVICES:
        raise ScenarioError(f"There is no device {device!r}; use one of {', '.join(DEVICES)}.")
    _check_faults(scenario, plan)
    signals = SIGNALS_OF[device](scenario, seed)
    groups = [
        group
        for group in plan.groups
        if isinstance(group.group, ScanGroup) and group.group.bus == f"{device}-bus"
    ]
    if not groups:
        raise ScenarioError(f"The site file has no scan group on the bus {device}-bus.")
    return tuple(Unit(scenario, group, signals, seed) for group in groups)


def _check_faults(scenario: Scenario, plan: SitePlan) -> None:
    """Refuse a fault that would never show, because what it names is not there."""
    for fault in scenario.faults:
        for what, name, known in (
            ("group", fault.group, plan.group_by_key),
            ("channel", fault.channel, plan.channel_by_key),
        ):
            if name is not None and name not in known:
                raise ScenarioError(f"A fault names the {what} {name!r}, which the site has not.")


def _instrumented(group: GroupPlan, signals: Signals, seed: int) -> tuple[Instrumented, ...]:
    found: list[Instrumented] = []
    for channel in group.channels:
        assert isinstance(channel.channel, Channel)
        if channel.key not in signals:
            raise ScenarioError(f"The simulator has no signal for channel {channel.key!r}.")
        if not is_number(channel.channel.modbus_register):
            raise ScenarioError(f"Simulated devices have no bits or texts: {channel.key!r}.")
        key = key_of(seed, f"{channel.key} noise")
        found.append(Instrumented(channel.channel, signals[channel.key], key))
    return tuple(found)


def _as_seen(fault: Fault, at_s: Floats, values: Floats) -> Floats:
    """What a channel with a fault shows in its unit [step]."""
    lasts = _lasts(fault, at_s)
    if fault.value is not None:
        return np.where(lasts, fault.value, values)
    if fault.per_hour is not None:
        return values + np.where(lasts, fault.per_hour * (at_s - fault.begins_s) / 3_600.0, 0.0)
    return values


def _lasts(fault: Fault, at_s: Floats) -> NDArray[np.bool_]:
    return (at_s >= fault.begins_s) & (at_s < fault.begins_s + fault.lasts_s)
