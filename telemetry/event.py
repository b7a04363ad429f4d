"""Events: discrete happenings of one source, as columns that stand beside each other.

A microseismic event, a blast, what a person has seen: each happens once, at an instant, perhaps
at a place, and says a few numbers and words about itself. They are no scans: they have no period,
no slots, and no next one to wait for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

EventKind = Literal["seismic", "blast", "observation"]
# What an edge itself tells of: that a sounder of it sounds, is silent, obeys or fails.
ToldKind = Literal["seismic", "blast", "observation", "sounding"]

EVENTS_MAX: Final = 128  # In a block; so that even random texts stay below the limit of a block.
NUMBERS_MAX: Final = 32  # Kinds of numbers that a source tells of its events.
TEXTS_MAX: Final = 8
ID_CHARACTERS_MAX: Final = 64
TEXT_CHARACTERS_MAX: Final = 200

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class EventBlock:
    """Events of one source as they came: nothing judged, what is unknown is NaN or empty."""

    site: str
    source: str
    kind: ToldKind
    event_id: Texts  # [event] as the source names it; the same again is the same event
    sampled_us: NDArray[np.int64]  # [event] when it happened, microseconds since 1970 UTC
    place: NDArray[np.float64]  # [event, 3] east, north, elevation in metres of the site's grid
    number_names: Texts  # [number]
    numbers: NDArray[np.float64]  # [event, number]
    text_names: Texts = ()  # [text]
    texts: tuple[Texts, ...] = ()  # [text][event], "" where nothing was said

    def __post_init__(self) -> None:
        """Refuse columns that do not fit together: that is a bug, not bad input."""
        events = len(self.event_id)
        assert self.place.shape == (events, 3)
        assert self.numbers.shape == (events, len(self.number_names))
        assert len(self.sampled_us) == events
        assert len(self.texts) == len(self.text_names)
        assert all(len(column) == events for column in self.texts)

    def __len__(self) -> int:
        """How many events there are."""
        return len(self.event_id)

    def rows(self, chosen: NDArray[np.intp]) -> "EventBlock":
        """Take some of the events."""
        places: list[int] = chosen.tolist()
        return replace(
            self,
            event_id=tuple(self.event_id[n] for n in places),
            sampled_us=self.sampled_us[chosen],
            place=self.place[chosen],
            numbers=self.numbers[chosen],
            texts=tuple(tuple(column[n] for n in places) for column in self.texts),
        )


def joined_events(parts: Sequence[EventBlock]) -> EventBlock:
    """Put events of one source together that say the same kinds of things."""
    first = parts[0]
    if len(parts) == 1:
        return first
    assert all(
        (one.source, one.number_names, one.text_names)
        == (first.source, first.number_names, first.text_names)
        for one in parts
    )
    return replace(
        first,
        event_id=tuple(one for part in parts for one in part.event_id),
        sampled_us=np.concatenate([part.sampled_us for part in parts]),
        place=np.concatenate([part.place for part in parts]),
        numbers=np.concatenate([part.numbers for part in parts]),
        texts=tuple(
            tuple(one for part in parts for one in part.texts[n])
            for n in range(len(first.text_names))
        ),
    )
