"""Water in a tailings dam: pond, phreatic line and seepage, all fed by rain.

Every answer is a store that fills with one lag and drains with a longer one. The ground of
a demonstration may be given short lags, so that an hour shows what takes days at a dam.
"""

import numpy as np

from simulators.physics.chance import Floats
from simulators.physics.parameters import Parameters
from simulators.physics.weather import Weather

KPA_PER_M = 9.80665  # Of water at 4 °C.


class Basin(Parameters):
    """The catchment, the pond and the decant."""

    normal_level_m: float = 180.20
    area_ratio: float = 15.0  # Catchment to pond area.
    runoff: float = 0.2  # Part of the rain that reaches the pond.
    rise_s: float = 4.0 * 3_600.0
    decay_s: float = 2.0 * 86_400.0  # The decant draws the pond down again.

    def level_m(self, weather: Weather, at_s: Floats) -> Floats:
        """Level of the pond."""
        answer = weather.answer_mm(at_s, rise_s=self.rise_s, decay_s=self.decay_s)
        return self.normal_level_m + answer * self.area_ratio * self.runoff / 1_000.0


class Embankment(Parameters):
    """How fast and how much the water in the embankment answers to rain."""

    gain_m_per_mm: float = 0.012  # Rise of the phreatic line at the toe.
    rise_s: float = 10.0 * 3_600.0
    decay_s: float = 5.0 * 86_400.0
    seepage_l_per_s: float = 4.0
    seepage_gain: float = 0.03  # L/s for each mm of rain that is on its way.

    def phreatic_rise_m(self, weather: Weather, at_s: Floats, *, place: float) -> Floats:
        """Rise of the phreatic line; place is 0 below the crest and 1 at the toe.

        Water gathers towards the toe, and reaches it later.
        """
        lag = 0.7 + 0.6 * place
        answer = weather.answer_mm(at_s, rise_s=self.rise_s * lag, decay_s=self.decay_s)
        return answer * self.gain_m_per_mm * (0.35 + 0.65 * place)

    def weir_flow_l_per_s(self, weather: Weather, at_s: Floats) -> Floats:
        """Seepage that leaves through the weir at the toe."""
        answer = weather.answer_mm(at_s, rise_s=self.rise_s * 0.6, decay_s=self.decay_s * 0.6)
        return self.seepage_l_per_s + self.seepage_gain * answer


def head_over_notch_m(flow_l_per_s: Floats, *, discharge: float = 0.58) -> Floats:
    """Head over a 90° V-notch that lets a flow pass.

    >>> bool(abs(head_over_notch_m(np.array([24.51]))[0] - 0.2) < 1e-4)
    True
    """
    factor = 8.0 / 15.0 * discharge * np.sqrt(2.0 * KPA_PER_M)
    head: Floats = (flow_l_per_s / 1_000.0 / factor) ** 0.4
    return head
