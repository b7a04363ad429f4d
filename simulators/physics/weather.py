"""Weather: temperature and air pressure by season, day and chance, and rain in storms.

Rain is a list of pulses of constant intensity, so whatever answers to rain with a rise and
a decay (pore pressure, pond level, seepage) is a sum of exponentials that can be written
down for any instant, without stepping through the past.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from simulators.physics.chance import Floats, key_of, uniform, wander
from simulators.physics.parameters import Parameters

DAY_S = 86_400.0
YEAR_S = 365.2425 * DAY_S
STORM_CELL_S = 2.0 * DAY_S  # At most one storm of chance begins in each cell of this length.
PULSES_OF_A_STORM = 6
GRID_S = 60.0  # Answers to rain are computed on whole minutes and joined by straight lines.
FORGOTTEN_AFTER = 16.0  # Decay times; what is left of rain then shows in no register.


class Storm(Parameters):
    """Rain that a scenario orders: evenly over its duration."""

    begins_s: float
    lasts_s: float
    depth_mm: float


@dataclass(frozen=True, slots=True)
class Pulse:
    """Rain of constant intensity."""

    begins_s: float
    ends_s: float
    mm_per_s: float


@dataclass(frozen=True)
class Weather:
    """The weather of a site; every question takes seconds since the scenario's beginning."""

    seed: int
    began_s: float  # The scenario's beginning, in seconds since 1970 UTC.
    storms: tuple[Storm, ...] = ()
    storm_chance: float = 0.35  # That a storm of chance begins in a cell.
    storm_depth_mm: float = 9.0  # Of a storm of chance, in the middle of its distribution.
    mean_temperature_c: float = 13.0

    def air_temperature_c(self, at_s: Floats) -> Floats:
        """Air temperature in the shade: warmest in late July, and at three in the afternoon."""
        absolute = at_s + self.began_s
        season = 12.0 * np.cos(2.0 * np.pi * (absolute / YEAR_S - 0.56))
        day = 5.0 * np.cos(2.0 * np.pi * (absolute / DAY_S - 7.0 / 24.0))  # 15 h at UTC+8
        fronts = 2.5 * wander(key_of(self.seed, "fronts"), absolute, every_s=2.5 * DAY_S)
        return self.mean_temperature_c + season + day + fronts

    def ground_temperature_c(self, at_s: Floats, *, lag_s: float, damping: float) -> Floats:
        """Temperature in the ground: the season and the day, later and weaker."""
        absolute = at_s + self.began_s - lag_s
        season = 12.0 * np.cos(2.0 * np.pi * (absolute / YEAR_S - 0.56))
        day = 5.0 * np.cos(2.0 * np.pi * (absolute / DAY_S - 7.0 / 24.0))
        return self.mean_temperature_c + damping * season + damping**3 * day

    def air_pressure_kpa(self, at_s: Floats) -> Floats:
        """Air pressure at the site, some 350 m above the sea."""
        absolute = at_s + self.began_s
        systems = 0.7 * wander(key_of(self.seed, "pressure"), absolute, every_s=1.8 * DAY_S)
        ripples = 0.05 * wander(key_of(self.seed, "ripples"), absolute, every_s=2_700.0)
        tide = 0.08 * np.cos(2.0 * np.pi * (absolute / (DAY_S / 2.0) - 0.2))
        return 97.2 + systems + ripples + tide

    def rain_mm(self, at_s: Floats) -> Floats:
        """Rain since the scenario began."""
        depth = np.zeros_like(at_s)
        for pulse in self._pulses(0.0, float(at_s.max())):
            wet_s = np.clip(at_s, 0.0, pulse.ends_s) - max(pulse.begins_s, 0.0)
            depth += pulse.mm_per_s * np.maximum(wet_s, 0.0)
        return depth

    def answer_mm(self, at_s: Floats, *, rise_s: float, decay_s: float) -> Floats:
        """What rain leaves in a store that fills with one lag and drains with a longer one.

        A short shower of 1 mm brings nearly 1 mm, somewhat later, which then fades.
        """
        minute = np.floor(at_s / GRID_S)
        nodes, place = np.unique(np.concatenate([minute, minute + 1.0]), return_inverse=True)
        answer = self._answer_at(nodes * GRID_S, rise_s, decay_s)
        along = at_s / GRID_S - minute
        at_node = answer[place]
        return at_node[: len(at_s)] * (1.0 - along) + at_node[len(at_s) :] * along

    def _answer_at(self, at_s: Floats, rise_s: float, decay_s: float) -> Floats:
        share = decay_s / (decay_s - rise_s)
        answer = np.zeros_like(at_s)
        since_s = float(at_s.min()) - FORGOTTEN_AFTER * decay_s
        for pulse in self._pulses(since_s, float(at_s.max())):
            begun = np.maximum(at_s - pulse.begins_s, 0.0)
            ended = np.maximum(at_s - pulse.ends_s, 0.0)
            draining = decay_s * (np.exp(-ended / decay_s) - np.exp(-begun / decay_s))
            filling = rise_s * (np.exp(-ended / rise_s) - np.exp(-begun / rise_s))
            brought = pulse.mm_per_s * share * (draining - filling)
            # Forgotten instant by instant, or else it would matter what else was asked.
            answer += np.where(ended > FORGOTTEN_AFTER * decay_s, 0.0, brought)
        return answer

    def _pulses(self, from_s: float, to_s: float) -> list[Pulse]:
        """List the pulses that touch a span of scenario time."""
        first = int((from_s + self.began_s) // STORM_CELL_S) - 1
        last = int((to_s + self.began_s) // STORM_CELL_S)
        pulses = [p for cell in range(first, last + 1) for p in self._storm_of_chance(cell)]
        pulses += self._ordered
        return [pulse for pulse in pulses if pulse.begins_s < to_s and pulse.ends_s > from_s]

    @cached_property
    def _ordered(self) -> list[Pulse]:
        return [
            Pulse(s.begins_s, s.begins_s + s.lasts_s, s.depth_mm / s.lasts_s) for s in self.storms
        ]

    def _storm_of_chance(self, cell: int) -> tuple[Pulse, ...]:
        """Make the storm of a cell, if it has one: up to half a day in uneven pulses."""
        return _storm(
            key_of(self.seed, f"storm {cell}"),
            cell * STORM_CELL_S - self.began_s,
            self.storm_chance,
            self.storm_depth_mm,
        )


@lru_cache(maxsize=4096)
def _storm(key: int, cell_s: float, chance: float, depth_mm: float) -> tuple[Pulse, ...]:
    draws = uniform(key, np.arange(4 + PULSES_OF_A_STORM, dtype=np.int64))
    if draws[0] >= chance:
        return ()
    begins_s = cell_s + draws[1] * STORM_CELL_S * 0.75
    lasts_s = (3.0 + 9.0 * draws[2]) * 3_600.0
    total_mm = depth_mm * (0.3 + 1.7 * draws[3])
    weights = 0.3 + draws[4:]
    shares = total_mm * weights / weights.sum()
    length_s = lasts_s / PULSES_OF_A_STORM
    return tuple(
        Pulse(begins_s + n * length_s, begins_s + (n + 1) * length_s, float(share) / length_s)
        for n, share in enumerate(shares)
    )
