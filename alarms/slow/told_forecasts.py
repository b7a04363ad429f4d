"""What the slow tier tells of times of failure, as rows that are kept."""

from collections.abc import Iterator, Sequence

import numpy as np

from alarms.forecast.record import ForecastRow, rows_of
from alarms.slow.judge import SlowJudge, Told


def forecast_rows(
    judge: SlowJudge, told: Sequence[Told], configuration: int
) -> Iterator[ForecastRow]:
    """Make the rows of what was told under a version of the site file.

    A channel asks once when it fails: the site file refuses a second trend of that kind.
    """
    for one in told:
        if one.forecasts is None:
            continue
        channels = [judge.plan.channels[judge.rules.rules[rule].channel] for rule in one.rules]
        yield from rows_of(
            one.forecasts,
            [channel.key for channel in channels],
            one.means.value,
            one.means.at_us,
            resolution=np.array([one.channel.resolution or np.nan for one in channels]),
            configuration=configuration,
        )
