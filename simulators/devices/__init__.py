"""The demo mine's devices: which signal stands behind each channel, bus by bus."""

from collections.abc import Callable

from simulators.devices import dam, fan, mine, slope
from simulators.scenario import Scenario
from simulators.signals import Signals

SIGNALS_OF: dict[str, Callable[[Scenario, int], Signals]] = {
    "dam": dam.signals,
    "slope": slope.signals,
    "mine": mine.signals,
    "fan": fan.signals,
}
