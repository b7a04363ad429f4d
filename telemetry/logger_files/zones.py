"""From a logger's local time to UTC, with the hours that come twice or never.

Most days have one offset from UTC, and are turned as whole columns. On a day on which clocks
change each row is looked at: an hour that comes twice is told apart by the order of the rows or
by a rule, and an hour that never was is refused, or counts on from before the change.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import Enum
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from telemetry.clock import EPOCH
from telemetry.logger_files.stamps import DAY_US

Instants = NDArray[np.int64]

OFFSET_MAX_H: Final = 14
_OFFSET: Final = re.compile(r"(?:UTC)?([+-])([0-9]{1,2})(?::?([0-5][0-9]))?")
_MICROSECOND: Final = timedelta(microseconds=1)
# The calendar of datetime, less a day on either side.
_EARLIEST_US: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND + 2 * DAY_US
_LATEST_US: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND - 2 * DAY_US


class ZoneError(ValueError):
    """No time zone; the message says what is one."""


class Refused(Enum):
    """Why a local time is no instant."""

    AMBIGUOUS = "ambiguous"
    NONEXISTENT = "nonexistent"
    OUT_OF_CALENDAR = "out of calendar"


def zone_of(text: str) -> tzinfo:
    """Find a zone by its name or offset.

    >>> zone_of("-08:00").utcoffset(None)
    datetime.timedelta(days=-1, seconds=57600)
    """
    if text in {"UTC", "Z"}:
        return UTC
    found = _OFFSET.fullmatch(text)
    if found:
        ahead = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        if ahead > timedelta(hours=OFFSET_MAX_H):
            raise ZoneError(f"an offset of at most {OFFSET_MAX_H} hours")
        return timezone(ahead if found[1] == "+" else -ahead)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ZoneError(
            "UTC, an offset such as -08:00, or an IANA name such as Asia/Shanghai"
        ) from None


def out_of_calendar(at_us: Instants) -> dict[int, Refused]:
    """Name the instants [row], or local times, that no calendar has."""
    outside = (at_us < _EARLIEST_US) | (at_us > _LATEST_US)
    return {int(n): Refused.OUT_OF_CALENDAR for n in np.flatnonzero(outside)}


@dataclass(frozen=True, slots=True)
class LocalTime:
    """How local times of one file become instants."""

    zone: tzinfo
    ambiguous: Literal["by_order", "earlier", "later", "refuse"] = "by_order"
    shifts_nonexistent: bool = False
    newest_first: bool = False

    def to_utc(
        self, local_us: Instants, before_us: int | None
    ) -> tuple[Instants, dict[int, Refused]]:
        """Turn local times [row] into instants, given the instant of the row before them.

        Rows that are no instants are named, with the reason; what is returned for them means
        nothing.
        """
        refused = out_of_calendar(local_us)
        local_us = np.clip(local_us, _EARLIEST_US, _LATEST_US)
        if isinstance(self.zone, timezone):
            offset = self.zone.utcoffset(None)
            return local_us - offset // _MICROSECOND, refused
        days, day_of_row = np.unique(local_us // DAY_US, return_inverse=True)
        offsets = [_offset_of_day(self.zone, day) for day in days.tolist()]
        changes = np.array([one is None for one in offsets], np.bool_)[day_of_row]
        at_us = local_us - np.array([one or 0 for one in offsets], np.int64)[day_of_row]
        previous_us, looked_at = before_us, 0
        for n in np.flatnonzero(changes).tolist():
            for row in range(n - 1, looked_at - 1, -1):
                if row not in refused:
                    previous_us = int(at_us[row])
                    break
            looked_at = n  # Of many refused rows in a row, none is looked at twice.
            found = self._on_a_day_of_change(int(local_us[n]), previous_us)
            if isinstance(found, Refused):
                refused.setdefault(n, found)
            else:
                at_us[n] = found
        return at_us, refused

    def _on_a_day_of_change(self, local_us: int, before_us: int | None) -> int | Refused:
        first, second = _offsets_us(self.zone, local_us)
        if first < second:
            return local_us - first if self.shifts_nonexistent else Refused.NONEXISTENT
        earlier_us, later_us = local_us - first, local_us - second
        if first == second or self.ambiguous == "earlier":
            return earlier_us
        if self.ambiguous == "later":
            return later_us
        if self.ambiguous == "refuse" or before_us is None:
            return Refused.AMBIGUOUS
        if self.newest_first:
            return later_us if later_us < before_us else earlier_us
        return earlier_us if earlier_us > before_us else later_us


@lru_cache(maxsize=4_096)
def _offset_of_day(zone: tzinfo, day: int) -> int | None:
    """Return a local day's offset in microseconds, or None when it changes on that day."""
    offsets = {*_offsets_us(zone, day * DAY_US), *_offsets_us(zone, (day + 1) * DAY_US)}
    return offsets.pop() if len(offsets) == 1 else None


def _offsets_us(zone: tzinfo, local_us: int) -> tuple[int, int]:
    """Return a local time's offsets as the first and as the second of its name."""
    local = (EPOCH + timedelta(microseconds=local_us)).replace(tzinfo=zone)
    first, second = (local.replace(fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None
    assert second is not None
    return first // _MICROSECOND, second // _MICROSECOND
