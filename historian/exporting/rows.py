"""Scans as the rows of a table: wide, with a column a channel, or long, with a row a reading.

Pure. In a wide table scans of several groups that stand at one instant share a row; what another
group did not measure then is None, and NaN is a scan without a number.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from historian.exporting.reading import ExportedScan
from historian.exporting.selection import Selection
from telemetry.plan import ChannelPlan


@dataclass(frozen=True, slots=True)
class WideRow:
    """Everything of one instant; by the selection's channels."""

    at: datetime
    numbers: list[float | None]
    quality: list[int | None]


@dataclass(frozen=True, slots=True)
class LongRow:
    """One reading."""

    at: datetime
    channel: ChannelPlan
    number: float
    quality: int


class WideRows:
    """Puts scans of one instant together, also where a part ends between them."""

    def __init__(self, selection: Selection) -> None:
        self._width = len(selection.channels)
        self._places: dict[int, list[int]] = {}
        for place, one in enumerate(selection.channels):
            self._places.setdefault(one.group, []).append(place)
        self._open: tuple[tuple[datetime, int], WideRow] | None = None

    def take(self, scans: Iterable[ExportedScan]) -> Iterator[WideRow]:
        """Take the next scans; yield the rows that are whole."""
        for scan in scans:
            key = (scan.at, scan.revision)
            if self._open is None or self._open[0] != key:
                yield from self.finish()
                row = WideRow(scan.at, [None] * self._width, [None] * self._width)
                self._open = (key, row)
            row = self._open[1]
            for place, number, quality in zip(
                self._places[scan.group], scan.numbers, scan.quality, strict=True
            ):
                row.numbers[place] = number
                row.quality[place] = quality

    def finish(self) -> Iterator[WideRow]:
        """Yield the last row."""
        if self._open is not None:
            yield self._open[1]
            self._open = None


class LongRows:
    """Takes scans apart into readings."""

    def __init__(self, selection: Selection) -> None:
        self._channels: dict[int, list[ChannelPlan]] = {}
        for one in selection.channels:
            self._channels.setdefault(one.group, []).append(one)

    def take(self, scans: Iterable[ExportedScan]) -> Iterator[LongRow]:
        """Take the next scans; yield their readings."""
        for scan in scans:
            for channel, number, quality in zip(
                self._channels[scan.group], scan.numbers, scan.quality, strict=True
            ):
                yield LongRow(scan.at, channel, number, quality)
