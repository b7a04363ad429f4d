"""The deep mine: stress cells, convergence meters and the microseismic network."""

from functools import partial

import numpy as np

from simulators.physics.chance import Floats, key_of, wander
from simulators.physics.creep import steady_creep
from simulators.physics.rock import MINUTE_S, Catalogue, Seismicity
from simulators.physics.weather import DAY_S
from simulators.scenario import Scenario
from simulators.signals import Signal, Signals

STRESS_CELLS = tuple(range(1, 13))
CONVERGENCE_METERS = tuple(range(1, 7))
# How much of the burst's stress each cell feels: 5 to 8 stand beside the face.
CELL_SHARE = {4: 0.3, 5: 0.8, 6: 1.0, 7: 0.9, 8: 0.5, 9: 0.2}
METER_SHARE = {2: 0.4, 3: 1.0, 4: 0.7}


def signals(scenario: Scenario, seed: int) -> Signals:
    """Signals of every channel on the mine's bus."""
    began_s = scenario.began_us / 1e6
    found: Signals = {}
    for cell in STRESS_CELLS:
        found[f"mine-stress-{cell}"] = _stress(scenario, seed, began_s, cell)
    for meter in CONVERGENCE_METERS:
        found[f"mine-convergence-{meter}"] = _convergence(scenario, seed, began_s, meter)
    found |= _microseismic(scenario, seed)
    found["mine-supply"] = Signal(partial(np.full_like, fill_value=24.1), noise=0.01)
    return found


def _stress(scenario: Scenario, seed: int, began_s: float, cell: int) -> Signal:
    key = key_of(seed, f"stress {cell}")
    at_rest_mpa = 22.0 + 0.6 * ((cell * 5) % 12)
    share = CELL_SHARE.get(cell, 0.03)

    def stress(at_s: Floats) -> Floats:
        mining = 0.35 * wander(key, at_s + began_s, every_s=DAY_S / 3.0)  # By the shift.
        quiet = at_rest_mpa + mining + steady_creep(at_s, per_day=0.01)
        if scenario.rockburst is None:
            return quiet
        return quiet + share * scenario.rockburst.stress_mpa(at_s)

    return Signal(stress, noise=0.03)


def _convergence(scenario: Scenario, seed: int, began_s: float, meter: int) -> Signal:
    key = key_of(seed, f"convergence {meter}")
    share = METER_SHARE.get(meter, 0.05)

    def closing(at_s: Floats) -> Floats:
        wandering = 0.1 * wander(key, at_s + began_s, every_s=DAY_S)
        quiet = 3.0 + meter + steady_creep(at_s, per_day=0.08) + wandering
        if scenario.rockburst is None:
            return quiet
        return quiet + share * scenario.rockburst.convergence_mm(at_s)

    return Signal(closing, noise=0.05)


def _microseismic(scenario: Scenario, seed: int) -> Signals:
    seismicity = Seismicity(seed=seed, burst=scenario.rockburst)

    def last_minute(at_s: Floats) -> Catalogue:
        """The recorder shows the last whole minute until the next one is over."""
        return seismicity.minutes(np.floor(at_s / MINUTE_S).astype(np.int64) - 1)

    return {
        "mine-events": Signal(lambda at_s: last_minute(at_s).count.astype(np.float64)),
        "mine-energy": Signal(lambda at_s: last_minute(at_s).energy_j),
        "mine-largest-magnitude": Signal(lambda at_s: last_minute(at_s).largest_magnitude),
    }
