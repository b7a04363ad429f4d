"""The site file's words for trends: slow methods over binned means, and levels on their figures."""

from typing import Annotated, Final, Literal

from pydantic import Field

from telemetry.limits import Limit
from telemetry.part import Key, NotNegative, Part, Positive

BINS_MAX: Final = 4_096  # In one window; a longer one wants wider bins.
DAY_S: Final = 86_400.0
SPAN_BINS: Final = 24  # A window that names no bin width has so many bins.


class Trend(Limit):
    """Bounds on what a slow method says of a channel's means.

    It is asked when a bin of `bin_s` has ended. A level is held to the method's own figure, in the
    unit that the method's page names.
    """

    bin_s: Positive | None = None  # None: as the method says.
    confirm: None = None  # Means are no single readings: delays serve.

    @property
    def others(self) -> tuple[str, ...]:
        """Other channels that it needs beside its own."""
        return ()


class WindowTrend(Trend):
    """A trend over the means of one window."""

    window_s: Positive

    @property
    def width_s(self) -> float:
        """The width of the bins."""
        return self.bin_s or self.window_s / SPAN_BINS

    @property
    def span_s(self) -> float:
        """How far back the method looks."""
        return self.window_s


class RateTrend(WindowTrend):
    """Least-squares slope per hour (Gauss 1809): the rate over an hour, a day, a week."""

    method: Literal["rate"]


class TheilSenTrend(WindowTrend):
    """Median slope per hour, which a third of wild means do not move (Sen 1968)."""

    method: Literal["theil_sen"]


class MannKendallTrend(WindowTrend):
    """Sen's slope per hour where Mann–Kendall sees a trend, 0 where it sees none."""

    method: Literal["mann_kendall"]
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.01
    correlation: Literal["hamed_rao", "pre_whitened", "ignored"] = "hamed_rao"


class FittedTrend(Trend):
    """Residuals, in standard deviations, of a fit that is learned once and kept.

    A fit that followed the channel would hide creep; a new one is a person's decision: raise
    `version`.
    """

    learn_days: Positive
    valid_days: Positive = 730.0  # After that it still judges, and says that it is old.
    version: Annotated[int, Field(ge=1)] = 1
    drivers: Annotated[list[Key], Field(max_length=4)] = Field(default_factory=list)

    @property
    def width_s(self) -> float:
        """The width of the bins."""
        return self.bin_s or DAY_S

    @property
    def span_s(self) -> float:
        """How far back the method looks."""
        return self.learn_days * DAY_S


class HydrostaticTrend(FittedTrend):
    """Water, season and age taken off (Willm & Beaujoint 1967): what of it is unusual?"""

    method: Literal["hydrostatic"]
    level_channel: Key
    level_powers: Annotated[int, Field(ge=1, le=4)] = 4

    @property
    def others(self) -> tuple[str, ...]:
        """The level first, then further drivers."""
        return (self.level_channel, *self.drivers)


class SeasonalTrend(FittedTrend):
    """The cycles of the year and of the day taken off."""

    method: Literal["seasonal"]
    year_harmonics: Annotated[int, Field(ge=0, le=4)] = 2
    day_harmonics: Annotated[int, Field(ge=0, le=4)] = 2

    @property
    def width_s(self) -> float:
        """The width of the bins: an hour where days are fitted."""
        return self.bin_s or (3_600.0 if self.day_harmonics else DAY_S)

    @property
    def others(self) -> tuple[str, ...]:
        """Further drivers, such as temperature."""
        return tuple(self.drivers)


class AccelerationTrend(Trend):
    """For how many hours the short moving average of the velocity has been above the long one.

    Dick et al. 2015, Carlà et al. 2017. Movement within the noise does not count.
    """

    method: Literal["acceleration"]
    direction: Literal["high"] = "high"
    bin_s: Positive
    short_bins: Annotated[int, Field(ge=2, le=100)] = 4
    long_bins: Annotated[int, Field(ge=3, le=400)] = 14

    @property
    def width_s(self) -> float:
        """The width of the bins."""
        return self.bin_s

    @property
    def span_s(self) -> float:
        """How far back the method looks."""
        return self.bin_s * 4 * self.long_bins


class TangentAngleTrend(WindowTrend):
    """Improved tangent angle in degrees: 45 uniform, 80 and 85 accelerating (Xu et al. 2009)."""

    method: Literal["tangent_angle"]
    direction: Literal["high"] = "high"
    uniform_per_h: Positive  # The slope's own velocity of uniform creep, in the channel's unit.


class FailureTimeTrend(Trend):
    """Hours until failure by Voight's law and inverse velocity; less is worse."""

    method: Literal["failure_time"]
    direction: Literal["low"] = "low"
    bin_s: Positive

    @property
    def width_s(self) -> float:
        """The width of the bins."""
        return self.bin_s

    @property
    def span_s(self) -> float:
        """How far back the method looks."""
        return self.bin_s * 640


class RainTrend(Trend):
    """What rain methods have in common: how the channel tells rain."""

    direction: Literal["high"] = "high"
    # Millimetres in each scan, millimetres an hour, or a counter that begins anew at times.
    reads: Literal["amount", "intensity", "counter"]


class IntensityDurationTrend(RainTrend):
    """Rain of the running storm over a line I = a·D^b (Caine 1980): 1 is on the line."""

    method: Literal["intensity_duration"]
    coefficient_mm_per_h: Positive
    exponent: Annotated[float, Field(gt=-3.0, lt=0.0)]
    shortest_h: Positive
    longest_h: Positive
    break_h: Positive = 3.0  # So long without rain ends a storm.

    @property
    def width_s(self) -> float:
        """The width of the bins."""
        return self.bin_s or 600.0

    @property
    def span_s(self) -> float:
        """How far back the method looks."""
        return (self.longest_h + self.break_h) * 3_600.0


class AntecedentRainTrend(RainTrend):
    """Antecedent precipitation index in millimetres (Kohler & Linsley 1951)."""

    method: Literal["antecedent_rain"]
    kept_a_day: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.85
    days: Annotated[int, Field(ge=2, le=120)] = 30

    @property
    def width_s(self) -> float:
        """The width of the bins: days of UTC."""
        return DAY_S

    @property
    def span_s(self) -> float:
        """How far back the method looks."""
        return self.days * DAY_S


class RecentRainTrend(RainTrend):
    """Millimetres by which the rain of 3 days is above a line of that of the 15 before (P3/P15)."""

    method: Literal["recent_rain"]
    intercept_mm: Positive
    slope: NotNegative

    @property
    def width_s(self) -> float:
        """The width of the bins."""
        return 3_600.0

    @property
    def span_s(self) -> float:
        """How far back the method looks."""
        return 18 * DAY_S


AnyTrend = Annotated[
    RateTrend
    | TheilSenTrend
    | MannKendallTrend
    | HydrostaticTrend
    | SeasonalTrend
    | AccelerationTrend
    | TangentAngleTrend
    | FailureTimeTrend
    | IntensityDurationTrend
    | AntecedentRainTrend
    | RecentRainTrend,
    Field(discriminator="method"),
]


class Drift(Part):
    """A channel that should say the same as others: one that parts from them drifts."""

    against: Annotated[list[Key], Field(min_length=1, max_length=8)]
    tolerance: Positive  # By how much they may part within the window, in the channel's unit.
    window_s: Positive
    bin_s: Positive | None = None
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.01
    source: str = "redundant instruments"

    @property
    def width_s(self) -> float:
        """The width of the bins."""
        return self.bin_s or self.window_s / 48
