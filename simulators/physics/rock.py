"""Rock under stress: slow loading, small events all the time, and sometimes a rockburst.

Before a burst, stress and the rates of events and of energy rise; the burst drops the stress
and is followed by aftershocks that fade as Omori found. Magnitudes follow Gutenberg and
Richter between two bounds, energies log10 E = 1.5 M + 4.8.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.physics.chance import Floats, key_of, poisson, uniform
from simulators.physics.parameters import Parameters

SMALLEST_MAGNITUDE = -1.5
NO_EVENT_MAGNITUDE = -3.0  # What the recorder shows for a minute without events.
EVENTS_OF_A_MINUTE_MAX = 128
MINUTE_S = 60.0


class Rockburst(Parameters):
    """A burst whose instant is known beforehand."""

    begins_s: float  # The loading that leads to it.
    bursts_s: float
    stress_rise_mpa: float = 16.0
    magnitude: float = 2.4
    events_per_minute: float = 30.0  # Just before it.
    aftershocks_s: float = 240.0  # Omori's c.

    def approach(self, at_s: Floats) -> Floats:
        """How near the burst is: 0 at the onset, 1 just before, 0 after it."""
        part = (at_s - self.begins_s) / (self.bursts_s - self.begins_s)
        return np.where(at_s < self.bursts_s, np.clip(part, 0.0, 1.0), 0.0)

    def stress_mpa(self, at_s: Floats) -> Floats:
        """Additional stress near the face: it rises ever faster, and drops below where it was."""
        rising = self.stress_rise_mpa * self.approach(at_s) ** 2
        return np.where(at_s < self.bursts_s, rising, -0.3 * self.stress_rise_mpa)

    def convergence_mm(self, at_s: Floats) -> Floats:
        """How far the walls come together: some before, much in the burst."""
        before = 6.0 * self.approach(at_s) ** 3
        return np.where(at_s < self.bursts_s, before, 28.0)

    def additional_rate(self, at_s: Floats) -> Floats:
        """Additional events per minute."""
        rising = self.events_per_minute * self.approach(at_s) ** 3
        since_s = np.maximum(at_s - self.bursts_s, 0.0)
        fading = 1.5 * self.events_per_minute / (1.0 + since_s / self.aftershocks_s)
        return np.where(at_s < self.bursts_s, rising, fading)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the microseismic network counts in each whole minute."""

    count: NDArray[np.int64]
    energy_j: Floats
    largest_magnitude: Floats


@dataclass(frozen=True)
class Seismicity:
    """Events of a mine, minute by minute."""

    seed: int
    rate_per_minute: float = 0.3
    largest_magnitude: float = -0.4
    b: float = 1.1
    burst: Rockburst | None = None

    def minutes(self, number: NDArray[np.int64]) -> Catalogue:
        """Catalogue of some minutes since the scenario's beginning, by their numbers."""
        magnitude = self.magnitudes(number)
        count = np.sum(~np.isnan(magnitude), axis=1)
        energy = np.where(np.isnan(magnitude), 0.0, 10.0 ** (1.5 * magnitude + 4.8))
        top = np.fmax.reduce(magnitude, axis=1, initial=NO_EVENT_MAGNITUDE)
        return self._with_burst(number, Catalogue(count, energy.sum(axis=1), top))

    def magnitudes(self, number: NDArray[np.int64]) -> Floats:
        """Magnitudes of the events of some minutes [minute, event], NaN where there are fewer."""
        middle_s: Floats = (number.astype(np.float64) + 0.5) * MINUTE_S
        rate: Floats = np.full(len(number), self.rate_per_minute)
        largest: Floats = np.full(len(number), self.largest_magnitude)
        if self.burst is not None:
            rate = rate + self.burst.additional_rate(middle_s)
            after = np.where(middle_s >= self.burst.bursts_s, 1.0, 0.0)
            largest = largest + 1.4 * self.burst.approach(middle_s) ** 2 + after
        count = poisson(key_of(self.seed, "events"), number, rate)
        return self._drawn(number, np.minimum(count, EVENTS_OF_A_MINUTE_MAX), largest)

    def _drawn(
        self, number: NDArray[np.int64], count: NDArray[np.int64], largest: Floats
    ) -> Floats:
        """Magnitudes of every minute's events [minute, event], NaN where there are fewer."""
        width = max(int(count.max(initial=0)), 1)
        event = np.arange(width)
        draws = uniform(
            key_of(self.seed, "magnitudes"),
            (number[:, np.newaxis] * EVENTS_OF_A_MINUTE_MAX + event).ravel(),
        ).reshape(len(number), width)
        # Of Gutenberg and Richter's law, only what lies between the two bounds.
        within = 1.0 - 10.0 ** (-self.b * (largest - SMALLEST_MAGNITUDE))
        magnitude = SMALLEST_MAGNITUDE - np.log10(1.0 - draws * within[:, np.newaxis]) / self.b
        return np.where(event < count[:, np.newaxis], magnitude, np.nan)

    def _with_burst(self, number: NDArray[np.int64], quiet: Catalogue) -> Catalogue:
        if self.burst is None:
            return quiet
        its_minute = number == int(self.burst.bursts_s // MINUTE_S)
        energy = 10.0 ** (1.5 * self.burst.magnitude + 4.8)
        return Catalogue(
            count=quiet.count + its_minute,
            energy_j=quiet.energy_j + np.where(its_minute, energy, 0.0),
            largest_magnitude=np.where(its_minute, self.burst.magnitude, quiet.largest_magnitude),
        )
