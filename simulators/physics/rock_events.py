"""The events behind the microseismic network's counts: each with instant, place and size.

The catalogue of `simulators.physics.rock` says how many events a minute holds and how large they
are; here each gets an instant within the minute, a place about the face, and a moment. Before a
burst the rock softens: events of the same energy move more rock, so that the energy index falls
while the apparent volume rises (Mendecki 1997). The burst is an event at the face, at its instant.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.physics.chance import Floats, key_of, normal, uniform
from simulators.physics.rock import EVENTS_OF_A_MINUTE_MAX, MINUTE_S, Seismicity

FACE_M: Final = (
    2140.0,
    320.0,
    -980.0,
)  # East, north, elevation: beside the demo mine's 980 m face.
SPREAD_M: Final = (60.0, 45.0, 25.0)
MOMENT_SCATTER: Final = 0.15  # Decades.
SOFTENING: Final = 0.8  # Decades that a moment grows by, just before the burst.
MAGNITUDE_STEP: Final = 0.1
BURST: Final = EVENTS_OF_A_MINUTE_MAX  # Its number in its minute: after all others.


@dataclass(frozen=True, slots=True, eq=False)
class RockEvents:
    """Events in the order of their instants."""

    number: NDArray[np.int64]  # [event] that no other event of the mine has
    at_s: Floats  # [event] since the scenario's beginning
    place_m: Floats  # [event, 3]
    magnitude: Floats  # [event] rounded, as networks tell it
    energy_j: Floats  # [event]
    moment_nm: Floats  # [event]


def events_of(rock: Seismicity, minutes: NDArray[np.int64]) -> RockEvents:
    """List the events of some minutes since the scenario's beginning, by their numbers."""
    sizes = rock.magnitudes(minutes)  # [minute, event]
    row, column = np.nonzero(~np.isnan(sizes))
    number = minutes[row] * (BURST + 1) + column
    magnitude = sizes[row, column]
    within = uniform(key_of(rock.seed, "instants"), number)
    at_s = (minutes[row] + within) * MINUTE_S
    if rock.burst is not None:
        its = np.flatnonzero(minutes == int(rock.burst.bursts_s // MINUTE_S))
        number = np.concatenate([number, minutes[its] * (BURST + 1) + BURST])
        magnitude = np.concatenate([magnitude, np.full(len(its), rock.burst.magnitude)])
        at_s = np.concatenate([at_s, np.full(len(its), rock.burst.bursts_s)])
    order = np.argsort(at_s, kind="stable")
    number, magnitude, at_s = number[order], magnitude[order], at_s[order]
    return RockEvents(
        number=number,
        at_s=at_s,
        place_m=_places(rock, number),
        magnitude=np.round(magnitude / MAGNITUDE_STEP) / round(1.0 / MAGNITUDE_STEP),
        energy_j=10.0 ** (1.5 * magnitude + 4.8),
        moment_nm=10.0 ** (1.5 * magnitude + 9.1 + _decades(rock, number, at_s)),
    )


def _places(rock: Seismicity, number: NDArray[np.int64]) -> Floats:
    """Scatter events about the face; the burst is in it."""
    axes = [
        middle + spread * normal(key_of(rock.seed, f"place {axis}"), number)
        for axis, (middle, spread) in enumerate(zip(FACE_M, SPREAD_M, strict=True))
    ]
    is_burst = number % (BURST + 1) == BURST
    place = np.stack(axes, axis=1)
    return np.where(is_burst[:, np.newaxis], np.array(FACE_M), place)


def _decades(rock: Seismicity, number: NDArray[np.int64], at_s: Floats) -> Floats:
    """By how many decades a moment differs from the usual one of its energy."""
    scatter = MOMENT_SCATTER * normal(key_of(rock.seed, "moments"), number)
    if rock.burst is None:
        return scatter
    return scatter + SOFTENING * rock.burst.approach(at_s)
