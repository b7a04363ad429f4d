"""A site of as many channels as a bench wants, made without reading a file of that size."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from telemetry.limits import (
    Chart,
    CusumLimit,
    EwmaLimit,
    Levels,
    Limit,
    PageHinkleyLimit,
    RateLimit,
)
from telemetry.plan import SitePlan, plan_of
from telemetry.site import (
    Bus,
    Channel,
    Name,
    ScanGroup,
    Site,
    Station,
    Structure,
    StructureKind,
)
from telemetry.sources import ModbusTcp

PERIOD_S: Final = 60.0
SOURCE: Final = "bench"
# Far enough away that noise of standard deviation 1 stays below: nearly all channels are quiet.
LIMIT: Final = Limit(
    direction="high",
    levels=Levels(blue=10.0, yellow=11.0, orange=12.0, red=13.0),
    deadband=0.5,
    on_delay_s=120.0,
    source=SOURCE,
)
RATE: Final = RateLimit(
    direction="high", levels=Levels(yellow=20.0, red=40.0), window_s=3600.0, source=SOURCE
)
CHARTS: Final[dict[str, Chart]] = {
    "ewma": EwmaLimit(
        method="ewma",
        direction="high",
        levels=Levels(yellow=7.0),
        mean=0.0,
        sigma=1.0,
        source=SOURCE,
    ),
    "cusum": CusumLimit(
        method="cusum",
        direction="high",
        levels=Levels(yellow=20.0),
        mean=0.0,
        sigma=1.0,
        slack_sigma=1.0,
        source=SOURCE,
    ),
    "page_hinkley": PageHinkleyLimit(
        method="page_hinkley",
        direction="high",
        levels=Levels(yellow=50.0),
        sigma=1.0,
        source=SOURCE,
    ),
}


def bench_plan(
    channels: int,
    group_channels: int,
    *,
    charts: Sequence[str] = ("ewma", "cusum"),
    bare: bool = False,  # Without limits and rate limits.
) -> SitePlan:
    """Make a site of whole groups with at least so many channels."""
    chosen = [CHARTS[chart] for chart in charts]
    groups = [
        _group(group, group_channels, chosen, bare=bare)
        for group in range(-(-channels // group_channels))
    ]
    name = Name(en="Bench", zh="测试")
    station = Station.model_construct(id="station", name=name, scan_groups=groups)
    structure = Structure.model_construct(
        id="dam", kind=StructureKind.TAILINGS_DAM, name=name, stations=[station]
    )
    site = Site.model_construct(
        site="bench",
        name=name,
        time_zone="UTC",
        began_at=datetime(2020, 1, 1, tzinfo=UTC),
        buses=[Bus(id="bus", edge="edge", modbus_tcp=ModbusTcp(host="localhost"))],
        structures=[structure],
    )
    return plan_of(site)


def _group(number: int, channels: int, charts: list[Chart], *, bare: bool) -> ScanGroup:
    return ScanGroup.model_construct(
        id=f"g{number}",
        period_s=PERIOD_S,
        bus="bus",
        channels=[
            Channel.model_construct(
                id=f"c{number}_{slot}",
                quantity="level",
                unit="m",
                slot=slot,
                instrument="gauge",
                limits=[] if bare else [LIMIT],
                rate_limits=[] if bare else [RATE],
                charts=charts,
            )
            for slot in range(channels)
        ],
    )
