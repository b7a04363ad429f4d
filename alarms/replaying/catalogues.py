"""Stored events as the columns that detectors of events look at."""

from collections.abc import Iterable

import numpy as np

from alarms.seismic.catalogue import NO_EVENTS, Catalogue, key_of
from historian.event_reading import StoredEvent


def catalogue_of(events: Iterable[StoredEvent]) -> Catalogue:
    """Lay events out as columns, in the order given; what one does not say is NaN."""
    rows = list(events)
    if not rows:
        return NO_EVENTS

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        said = [event.attributes.get(name) for event in rows]
        return np.array([one if isinstance(one, int | float) else np.nan for one in said])

    return Catalogue(
        key=np.array([key_of(event.event_id) for event in rows], np.int64),
        at_us=np.array([event.at_us for event in rows], np.int64),
        magnitude=column("magnitude"),
        energy_j=column("energy_j"),
        moment_nm=column("moment_nm"),
    )
