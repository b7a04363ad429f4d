"""One scan group of a Sparkplug node: what its channels show, and the scans that follow from it.

A node tells only what has changed, so what it told last holds until it dies; a scan is therefore
the whole row, made of what is new and what still holds. Three cases are not whole rows, because
the rest of the row is not known for that instant: what was measured in the past (`is_historical`),
what is older than a scan that was given already, and what comes after something was missed.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.message_reading import GroupScans
from telemetry.json_message import MessageScans
from telemetry.plan import GroupPlan
from telemetry.quality import Quality
from telemetry.site import Channel, ScanGroup
from telemetry.sources import SparkplugMessage

MS_US: Final = 1_000
# Sparkplug's instants are whole milliseconds. What we say by ourselves stands between two.
OF_OUR_OWN_US: Final = 500
PERIODS_HELD: Final = 1.5  # So long after the last scan, what still holds is said again.

Cell = tuple[float, Quality]


class SparkplugGroup:
    """The channels of one scan group, as a node has told of them."""

    def __init__(self, plan: GroupPlan) -> None:
        assert isinstance(plan.group, ScanGroup)
        assert isinstance(plan.group.message, SparkplugMessage)
        self.plan = plan
        self.device = plan.group.message.device
        self.is_born = False
        self._slots: dict[str, list[int]] = {}
        for one in plan.channels:
            assert isinstance(one.channel, Channel)
            assert one.channel.field is not None
            self._slots.setdefault(one.channel.field, []).append(one.slot)
        self._raw = np.full(plan.slot_count, np.nan)
        self._quality = np.full(plan.slot_count, Quality.NO_VALUE, np.int16)
        self._newest_us = -1  # Of the scans given so far, by the device's clock.
        self._told_us: int | None = None  # When one was given, by ours.

    @property
    def names(self) -> frozenset[str]:
        """The metrics that channels stand for."""
        return frozenset(self._slots)

    def begin(self, at_us: int) -> None:
        """Note from when on somebody waits for this group."""
        if self._told_us is None:
            self._told_us = at_us

    def born(
        self, cells: Mapping[str, Cell], stamp_us: int, received_us: int
    ) -> tuple[GroupScans, ...]:
        """Take a birth, which tells everything."""
        self.is_born = True
        raw, quality = self._row(cells)
        same = np.array_equal(raw, self._raw, equal_nan=True) & np.array_equal(
            quality, self._quality
        )
        self._raw, self._quality = raw, quality
        return () if same and stamp_us <= self._newest_us else self._whole(stamp_us, received_us)

    def told(
        self, cells: Mapping[str, Cell], stamp_us: int, received_us: int, *, complete: bool
    ) -> tuple[GroupScans, ...]:
        """Take what has changed at an instant; not `complete` when something may be missing."""
        raw, quality = self._row(cells)
        new = np.zeros(len(raw), np.bool_)
        new[[slot for name in cells for slot in self._slots[name]]] = True
        same = bool(
            np.array_equal(raw[new], self._raw[new], equal_nan=True)
            & np.array_equal(quality[new], self._quality[new])
        )
        self._raw = np.where(new, raw, self._raw)
        self._quality = np.where(new, quality, self._quality).astype(np.int16)
        if not complete:
            return self._part(raw, quality, stamp_us, received_us)
        if stamp_us // MS_US < self._newest_us // MS_US:
            return self._part(raw, quality, stamp_us, received_us)
        if stamp_us <= self._newest_us and same:
            return ()  # It came again.
        return self._whole(stamp_us, received_us)

    def told_of_the_past(
        self, cells: Mapping[str, Cell], stamp_us: int, received_us: int
    ) -> tuple[GroupScans, ...]:
        """Take what was measured before and kept by the device; it says nothing about now."""
        return self._part(*self._row(cells), stamp_us, received_us)

    def died(self, at_us: int) -> tuple[GroupScans, ...]:
        """Take a death: nothing holds any more."""
        self.is_born = False
        return self._unread(Quality.NO_CONNECTION, at_us)

    def held(self, at_us: int, unread: Quality | None) -> tuple[GroupScans, ...]:
        """Say again what holds, or why nothing does, if it has not been said for long."""
        self.begin(at_us)
        assert self._told_us is not None
        period_us = self.plan.period_us
        if 0 <= at_us - self._told_us < PERIODS_HELD * period_us:
            return ()
        found = (
            self._given(self._raw, self._quality, _between(at_us))
            if unread is None
            else self._unread(unread, at_us)
        )
        self._told_us = at_us - round((PERIODS_HELD - 1) * period_us)
        return found

    def _row(self, cells: Mapping[str, Cell]) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        raw = np.full(len(self._raw), np.nan)
        quality = np.full(len(self._raw), Quality.NO_VALUE, np.int16)
        for name, (number, said) in cells.items():
            raw[self._slots[name]] = number
            quality[self._slots[name]] = said
        return raw, quality

    def _whole(self, stamp_us: int, received_us: int) -> tuple[GroupScans, ...]:
        """Give the row as it is now, at an instant of its own."""
        self._told_us = received_us
        if 0 <= self._newest_us - stamp_us < MS_US:  # In the same millisecond as the one before.
            stamp_us = self._newest_us + 1
        self._newest_us = max(self._newest_us, stamp_us)
        return self._given(self._raw, self._quality, stamp_us)

    def _part(
        self,
        raw: NDArray[np.float64],
        quality: NDArray[np.int16],
        stamp_us: int,
        received_us: int,
    ) -> tuple[GroupScans, ...]:
        self._told_us = received_us
        return self._given(raw, quality, stamp_us)

    def _unread(self, why: Quality, at_us: int) -> tuple[GroupScans, ...]:
        self._told_us = at_us
        nothing = np.full(len(self._raw), np.nan)
        quality = np.full(len(self._raw), Quality.NO_VALUE, np.int16)
        quality[[slot for slots in self._slots.values() for slot in slots]] = why
        return self._given(nothing, quality, _between(at_us))

    def _given(
        self, raw: NDArray[np.float64], quality: NDArray[np.int16], stamp_us: int
    ) -> tuple[GroupScans, ...]:
        scans = MessageScans(
            sampled_us=np.array([stamp_us], np.int64),
            raw=raw[np.newaxis, :].copy(),
            quality=quality[np.newaxis, :].copy(),
        )
        return (GroupScans(self.plan, scans, in_order=False),)


def _between(at_us: int) -> int:
    """Move an instant to where no device's can be."""
    return at_us - at_us % MS_US + OF_OUR_OWN_US
