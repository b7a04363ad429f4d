"""What became of a sounder, as events that travel with the scans: durable, in order, once."""

from collections.abc import Sequence

import numpy as np

from alarms.local_judge import Reason
from telemetry.event import TEXT_CHARACTERS_MAX, EventBlock
from telemetry.unread import storable


def sounding_events(
    site: str,
    sounder: str,
    at_us: int,
    what: str,
    *,
    reasons: Sequence[Reason] = (),
    reason: str = "",
) -> EventBlock:
    """Say what happened: `on`, `off`, `failed` or `ready`; an event for each alarm behind it.

    >>> block = sounding_events("mine", "siren", 5, "on", reasons=[Reason("p/limit_high/3", 4)])
    >>> block.event_id, block.texts
    (('5-on-0',), (('on',), ('p/limit_high/3',), ('',)))
    """
    occurrences = [one.occurrence for one in reasons] or [""]
    count = len(occurrences)
    levels = [[float(one.level)] for one in reasons] or [[np.nan]]
    return EventBlock(
        site=site,
        source=sounder,
        kind="sounding",
        event_id=tuple(f"{at_us}-{what}-{n}" for n in range(count)),
        sampled_us=np.full(count, at_us, dtype=np.int64),
        place=np.full((count, 3), np.nan),
        number_names=("level",),
        numbers=np.array(levels, dtype=np.float64),
        text_names=("what", "alarm", "reason"),
        texts=(
            (what,) * count,
            tuple(occurrences),
            (storable(reason)[:TEXT_CHARACTERS_MAX],) * count,
        ),
    )
