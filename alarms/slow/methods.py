"""The methods of the slow tier by their names in the site file; a new one joins by a line."""

from collections.abc import Callable, Mapping
from typing import Final

from alarms.slow.asking import Answer, Question
from alarms.slow.failure_methods import acceleration_of, failure_time_of, tangent_angle_of
from alarms.slow.fit_methods import residual_of
from alarms.slow.rain_methods import antecedent_rain_of, intensity_duration_of, recent_rain_of
from alarms.slow.rules import DRIFT
from alarms.slow.trend_methods import drift_of, mann_kendall_of, rate_of, theil_sen_of

METHODS: Final[Mapping[str, Callable[[Question], Answer]]] = {
    "rate": rate_of,
    "theil_sen": theil_sen_of,
    "mann_kendall": mann_kendall_of,
    "hydrostatic": residual_of,
    "seasonal": residual_of,
    "acceleration": acceleration_of,
    "tangent_angle": tangent_angle_of,
    "failure_time": failure_time_of,
    "intensity_duration": intensity_duration_of,
    "antecedent_rain": antecedent_rain_of,
    "recent_rain": recent_rain_of,
    DRIFT: drift_of,
}
