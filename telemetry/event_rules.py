"""The site file's words for detectors of events: what is asked of a source's catalogue.

Each is a limit on one number, judged at ticks of event time. Which number, and when it can't be
told, says docs/detectors/seismicity.md.
"""

from typing import Annotated, Literal

from pydantic import Field

from telemetry.limits import Levels
from telemetry.part import NotNegative, Part, Positive, Sentence

Hours = Annotated[float, Field(gt=0, le=24 * 400)]


class EventRule(Part):
    """Common to all: up to four bounds, the time that is looked at, and where both come from."""

    levels: Levels
    deadband: NotNegative = 0.0  # How far back before a level ends, in the unit of the levels.
    window_h: Hours
    source: Sentence  # Document and clause that the bounds come from.


class RateRule(EventRule):
    """Are there more events, or is there more energy, than usual? Levels in standard deviations.

    Matthews & Reasenberg 1988 for counts; for energy its logarithm over windows of equal length.
    """

    method: Literal["event_rate", "energy_rate"]
    background_h: Hours  # Before the window.


class BValueRule(EventRule):
    """Does the b-value fall? Levels are b itself, and count from above: less is worse."""

    method: Literal["b_value"]
    estimator: Literal["exact", "utsu", "positive"] = "exact"
    # So many standard errors (Shi & Bolt 1982) must b be below a level.
    errors: Annotated[float, Field(ge=0, le=5)] = 1.0
    events_min: Annotated[int, Field(ge=50, le=100_000)] = 50


class EnergyIndexRule(EventRule):
    """Does the energy index fall while the apparent volume grows? Levels: decades that it fell by.

    `slope` and `intercept` are the usual energy of a moment, fitted once over a quiet time; without
    them it is fitted over the background, and then figures of two times can't be compared.
    """

    method: Literal["energy_index"]
    background_h: Hours
    median_of: Annotated[int, Field(ge=5, le=1_000)] = 20  # Events.
    slope: float | None = None
    intercept: float | None = None
    volume_ratio_min: Positive = 1.0  # How much faster than usual the volume must grow.


class ReentryRule(EventRule):
    """How long after a large event is it not calm? Levels: expected rate over the usual one.

    Omori's decay (Utsu 1961; Vallejos & McKinnon 2010). `window_h` is how long a large event is
    looked back to.
    """

    method: Literal["reentry"]
    large_from: float  # The magnitude of a large event.
    usual_per_h: Positive  # Events an hour of a quiet time.
    least_h: Positive = 1.0  # It is not calm before, whatever is fitted.


EventDetector = Annotated[
    RateRule | BValueRule | EnergyIndexRule | ReentryRule, Field(discriminator="method")
]
