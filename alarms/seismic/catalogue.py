"""A catalogue of one source as columns: what detectors of events look at, and how it is kept.

An event is known by a number made of its id; a later revision takes the place of the one before.
What is older than any detector looks back is let go, and beyond a bound the oldest go first. From
when on nothing is missing is part of the state: a window that reaches further back is not judged.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

EVENTS_KEPT_MAX: Final = 200_000  # Of a source: 10 MB.


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Events in the order of their instants; what is unknown is NaN."""

    key: NDArray[np.int64]  # [event] see `key_of`
    at_us: NDArray[np.int64]  # [event]
    magnitude: NDArray[np.float64]  # [event]
    energy_j: NDArray[np.float64]  # [event]
    moment_nm: NDArray[np.float64]  # [event]

    def __len__(self) -> int:
        """How many events there are."""
        return len(self.at_us)

    def between(self, from_us: int, until_us: int) -> "Catalogue":
        """Take the events from one instant up to, not including, another."""
        begin, end = np.searchsorted(self.at_us, [from_us, until_us], side="left")
        return self.chosen(slice(int(begin), int(end)))

    def chosen(self, rows: slice | NDArray[np.intp]) -> "Catalogue":
        """Take some of the events."""
        return Catalogue(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})


NO_EVENTS: Final = Catalogue(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0)
)


@dataclass(frozen=True, slots=True, eq=False)
class WatchedEvents:
    """What is kept of a source's events between two looks."""

    events: Catalogue
    complete_from_us: int  # Before it, events may be missing here.

    def with_more(self, more: Catalogue, *, keep_from_us: int) -> "WatchedEvents":
        """Take events in, newest revisions last, and let go of what nobody looks back to."""
        parts = zip(_columns(self.events), _columns(more), strict=True)
        every = Catalogue(*(np.concatenate(pair) for pair in parts))
        newest = _last_of_each(every.key)
        newest = newest[every.at_us[newest] >= keep_from_us]
        order = newest[np.lexsort((every.key[newest], every.at_us[newest]))]
        complete_from_us = max(self.complete_from_us, keep_from_us)
        if len(order) > EVENTS_KEPT_MAX:
            order = order[-EVENTS_KEPT_MAX:]
            complete_from_us = max(complete_from_us, int(every.at_us[order[0]]))
        return WatchedEvents(every.chosen(order), complete_from_us)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is kept as columns, for a checkpoint."""
        return {
            **{one.name: getattr(self.events, one.name) for one in fields(self.events)},
            "complete_from_us": np.array([self.complete_from_us], np.int64),
        }


def watched_of_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> WatchedEvents:
    """Undo `WatchedEvents.arrays`."""
    return WatchedEvents(
        Catalogue(
            key=arrays["key"].astype(np.int64),
            at_us=arrays["at_us"].astype(np.int64),
            magnitude=arrays["magnitude"].astype(np.float64),
            energy_j=arrays["energy_j"].astype(np.float64),
            moment_nm=arrays["moment_nm"].astype(np.float64),
        ),
        int(arrays["complete_from_us"].astype(np.int64)[0]),
    )


def key_of(event_id: str) -> int:
    """Number an id; that two ids of a mine share a number will not happen (64 bits).

    >>> key_of("network/e1") == key_of("network/e1"), key_of("network/e1") == key_of("network/e2")
    (True, False)
    """
    digest = hashlib.blake2b(event_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def keys_of(event_ids: Iterable[str]) -> NDArray[np.int64]:
    """Number ids."""
    return np.array([key_of(one) for one in event_ids], np.int64)


def _columns(events: Catalogue) -> list[NDArray[np.generic]]:
    return [getattr(events, one.name) for one in fields(events)]


def _last_of_each(key: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where each key stands for the last time."""
    _, first_from_behind = np.unique(key[::-1], return_index=True)
    return np.asarray(len(key) - 1 - first_from_behind, np.intp)
