"""Equal limits of a site, kept once: hundreds of channels are held to the same bounds.

Parts never change once read, so nobody can tell. A province of 300,000 channels is half a
gigabyte smaller for it.
"""

from typing import TypeVar

from telemetry.site import ChannelBase, Site

Item = TypeVar("Item")


def share_limits(site: Site) -> None:
    """Put one object in place of equal ones, in the lists of all channels."""
    known: dict[object, object] = {}
    for structure in site.structures:
        for station in structure.stations:
            for group in station.scan_groups:
                for channel in group.channels:
                    _share_limits_of(channel, known)
            for calculated_group in station.calculated_groups:
                for calculated in calculated_group.channels:
                    _share_limits_of(calculated, known)


def _share_limits_of(channel: ChannelBase, known: dict[object, object]) -> None:
    _share(channel.limits, known)
    _share(channel.rate_limits, known)
    _share(channel.charts, known)


def _share(items: list[Item], known: dict[object, object]) -> None:
    for n, item in enumerate(items):
        # Equal limits of two kinds are not equal: their classes differ.
        items[n] = known.setdefault(item, item)  # type: ignore[assignment]
