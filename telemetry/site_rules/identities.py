"""Rules about what identifies things: ids, the time zone, when the site began."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from telemetry.site import Site
from telemetry.site_rules.places import (
    Finding,
    Loc,
    channels_of,
    event_sources_of,
    groups_of,
    stations_of,
)

# A site that began outside of these was mistyped; stamps before it would be let through.
BEGAN_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
BEGAN_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)

_ZONE_NAME: Final = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+){1,2}")


def identity_findings(site: Site) -> Iterator[Finding]:
    """Find ids that are used twice, and a site that does not know where or when it is."""
    yield from _repeated("channel", ((one.loc, one.channel.id) for one in channels_of(site)))
    yield from _repeated(
        "group",
        [
            *((one.loc, one.group.id) for one in groups_of(site)),
            *((loc, source.id) for loc, source in event_sources_of(site)),
            *((("sounders", n), one.id) for n, one in enumerate(site.sounders)),
        ],
    )
    yield from _repeated("station", ((loc, station.id) for loc, station in stations_of(site)))
    yield from _repeated(
        "structure", ((("structures", n), one.id) for n, one in enumerate(site.structures))
    )
    yield from _repeated("bus", ((("buses", n), one.id) for n, one in enumerate(site.buses)))
    yield from _repeated(
        "instrument",
        (
            ((*loc, "instruments", n), instrument.id)
            for loc, station in stations_of(site)
            for n, instrument in enumerate(station.instruments)
        ),
    )
    yield from _time_findings(site)


def _repeated(what: str, ids: Iterable[tuple[Loc, str]]) -> Iterator[Finding]:
    seen: set[str] = set()
    for loc, one in ids:
        if one in seen:
            message = f"the {what} id {one} is used a second time"
            yield Finding((*loc, "id"), message, f"{what} ids that are unique in the whole site")
        seen.add(one)


def _time_findings(site: Site) -> Iterator[Finding]:
    if not _is_time_zone(site.time_zone):
        message = f"{site.time_zone[:60]} is no time zone"
        yield Finding(("time_zone",), message, "an IANA name such as Asia/Shanghai, or UTC")
    if site.began_at.tzinfo is None:
        message = "the instant has no time zone, so nobody knows when it was"
        yield Finding(("began_at",), message, "an instant that ends in Z or +08:00")
    elif not BEGAN_EARLIEST <= site.began_at < BEGAN_LATEST:
        message = f"no site began in the year {site.began_at.year}"
        yield Finding(("began_at",), message, "an instant between 1970 and 2100")


def _is_time_zone(name: str) -> bool:
    if name == "UTC":
        return True
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # A machine without time zone data cannot tell right from wrong, and need not: times
        # are only shown in the site's zone, by browsers that have data of their own.
        return not available_timezones() and bool(_ZONE_NAME.fullmatch(name))
    return True
