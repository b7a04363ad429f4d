"""What a forecast may assume and what it must see: parameters, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """Parameters of a forecast. The defaults are those that `groundwatch bench forecast` judges."""

    # The newest stretch of a record is looked at in several windows, each of so many blocks; a
    # block is the mean of so many bins. Small blocks see a fast failure, large ones a slow one.
    blocks: int = 40
    bins_per_block: tuple[int, ...] = (1, 2, 4, 8, 16)
    blocks_min: int = 12  # With fewer usable blocks a window says nothing.

    # Where acceleration begins to be looked for: the mean velocity over the short stretch stands
    # above that over the long one by a factor and by so many standard deviations of the noise.
    short_blocks: int = 5
    long_blocks: int = 10
    gain_min: float = 1.1
    gain_sigmas: float = 3.0

    # Voight 1988: α stands about 2; laboratory and field values mostly from 1.5 to 2.5.
    alpha_mean: float = 2.0
    alpha_spread: float = 0.5
    # Real ground follows no law exactly: a block is trusted to a tenth of its own movement.
    law_error: float = 0.1

    # The gates: without all of these there is no time of failure.
    rates_min: int = 5  # Guard of the field: never from fewer usable rates.
    r_squared_min: float = 0.8  # Of the line through the inverse velocities.
    velocity_sigmas: float = 3.0  # The velocity now against the noise of a velocity.
    evidence_min: float = 5.0  # Log-likelihood by which the law beats motion without a failure.
    # The latest time of the interval, as a part of the time that acceleration has lasted already.
    horizon: float = 0.5
    # The velocity now against the largest in the record before acceleration began: a burst such as
    # the record has seen before gives no time. 90 % of the way it has grown 4.6-fold for α = 2.5,
    # tenfold for α = 2.
    past_velocity_ratio: float = 2.5

    # A fit without so many of the newest blocks must have foreseen the time of failure, within an
    # interval of this level: where the forecast recedes as time goes on, a burst is dying down.
    foresight_blocks: int = 4
    foresight_level: float = 0.9

    # The interval's width in units of the likelihood's own, found by conformal calibration
    # (Vovk et al. 2005) on seeds that are never judged: see simulators/proving/bench_forecast.py.
    level: float = 0.8
    widening: float = 0.75
