"""The site file's words for limits: bounds on values, on rates, and on control charts."""

from typing import Annotated, Literal

from pydantic import Field

from telemetry.part import NotNegative, Part, Positive, Sentence

CONFIRMED_OF_MAX = 16


class Levels(Part):
    """Bounds of a limit, in the channel's unit; a level left out is not used."""

    blue: float | None = None
    yellow: float | None = None
    orange: float | None = None
    red: float | None = None


class Confirmation(Part):
    """A level counts when so many of the last readings violate it (n of m)."""

    at_least: Annotated[int, Field(ge=1, le=CONFIRMED_OF_MAX)]
    of_last: Annotated[int, Field(ge=1, le=CONFIRMED_OF_MAX)]


class Limit(Part):
    """Up to four bounds in one direction: the levels of one rule."""

    direction: Literal["high", "low"]
    levels: Levels
    deadband: NotNegative = 0.0
    confirm: Confirmation | None = None  # None: each reading counts at once.
    on_delay_s: NotNegative = 0.0
    off_delay_s: NotNegative = 0.0
    source: Sentence  # Document and clause that the bounds come from.


class RateLimit(Limit):
    """Bounds on how fast a channel changes, in the channel's unit per hour, over a window."""

    window_s: Positive


class ChartLimit(Limit):
    """Bounds on how far a channel has left what is usual: a control chart.

    Levels and deadband are multiples of a standard deviation, positive in either direction. What
    is usual is given, or learned from the first readings and kept from then on.
    """

    sigma: Positive | None = None  # Of quiet readings, in the channel's unit.
    learn_readings: Annotated[int, Field(ge=20, le=1_000_000)] = 200
    reset_after_s: Positive | None = None  # After a longer gap a chart begins anew.


class EwmaLimit(ChartLimit):
    """A smoothed mean that wanders off: finds small shifts that last (Roberts 1959)."""

    method: Literal["ewma"]
    mean: float | None = None
    weight: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25  # Of the newest reading.


class CusumLimit(ChartLimit):
    """A sum of deviations from a mean: finds a shift of known size soonest (Page 1954)."""

    method: Literal["cusum"]
    mean: float | None = None
    slack_sigma: NotNegative = 0.5  # Half the shift that is looked for.


class PageHinkleyLimit(ChartLimit):
    """A sum of deviations from the mean so far: a shift from whatever it was (Hinkley 1971)."""

    method: Literal["page_hinkley"]
    slack_sigma: NotNegative = 0.5
    warm_up_readings: Annotated[int, Field(ge=1, le=1_000_000)] = 30


Chart = Annotated[EwmaLimit | CusumLimit | PageHinkleyLimit, Field(discriminator="method")]
