"""Has it rained so hard for so long that slopes have failed elsewhere?

A line I = a·D^b gives the mean intensity, in millimetres an hour, beyond which a storm of D hours
has set off landslides. Lines of the world are lower bounds: a site sets its own from its events.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MM_PER_INCH: Final = 25.4


@dataclass(frozen=True, slots=True)
class IntensityDuration:
    """A line, and the durations that it was drawn for."""

    coefficient_mm_per_h: float  # Mean intensity of a storm of one hour.
    exponent: float
    shortest_h: float
    longest_h: float
    source: str

    def critical_mm_per_h(self, duration_h: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the intensity of the line; NaN for durations that it says nothing about.

        >>> CAINE.critical_mm_per_h(np.array([10.0, 600.0])).round(3).tolist()
        [6.037, nan]
        """
        within = (duration_h >= self.shortest_h) & (duration_h <= self.longest_h)
        known_h = np.where(within, duration_h, 1.0)
        critical = self.coefficient_mm_per_h * known_h**self.exponent
        return np.where(within, critical, np.nan)

    def nearness(
        self, depth_mm: NDArray[np.float64], duration_h: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return how near rain is to the line: its intensity over the line's, 1 on the line.

        NaN where the line says nothing: that is not normal, but unknown.
        """
        intensity = depth_mm / np.where(duration_h > 0.0, duration_h, np.nan)
        return intensity / self.critical_mm_per_h(duration_h)


CAINE: Final = IntensityDuration(
    14.82, -0.39, 0.167, 500.0, "Caine 1980, Geografiska Annaler A 62:23"
)
GUZZETTI: Final = IntensityDuration(
    2.20, -0.44, 0.1, 1000.0, "Guzzetti et al. 2008, Landslides 5:3"
)
SEATTLE: Final = IntensityDuration(
    3.257 * MM_PER_INCH, -1.13, 20.0, 55.0, "Godt, Baum & Chleborad 2006, ESPL 31:97"
)
