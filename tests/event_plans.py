"""A mine whose microseismic network publishes events, for the tests of what becomes of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ingest_site import BEGAN_US, MINUTE_US, site_document

from telemetry.event import EventBlock
from telemetry.event_wire import encode_events
from telemetry.plan import EventSourcePlan, plan_of
from telemetry.site import Site

SOURCE: dict[str, Any] = {
    "id": "network",
    "kind": "seismic",
    "bus": "bus",
    "message": {"kind": "json", "topic": "mine/events", "time": "t", "time_format": "unix_ms"},
    "fields": {
        "id": "id",
        "place": {"east_m": "at.0", "north_m": "at.1", "elevation_m": "at.2"},
        "numbers": {"magnitude": "ml", "energy_j": "e", "moment_nm": "m0"},
        "texts": {"quality": "q"},
    },
    "convention": {
        "magnitude_scale": "local, as the network's manual defines it",
        "rigidity_pa": 2.0e10,
        "apparent_volume": "m0_squared_over_2_mu_e",
        "source": "Network report, 3.1",
    },
}


def with_events(site: dict[str, Any], source: dict[str, Any] | None = None) -> dict[str, Any]:
    """A site's tree with a source of events at its first station."""
    station = site["structures"][0]["stations"][0]
    station.setdefault("event_sources", []).append(SOURCE | (source or {}))
    return site


def mine_with_events(source: dict[str, Any] | None = None) -> dict[str, Any]:
    """The small mine of the ingest tests, whose dam edge also listens to a broker."""
    tree = with_events(site_document(), source)
    tree["buses"].append({"id": "bus", "edge": "dam-edge", "mqtt": {"host": "127.0.0.1"}})
    return tree


def source_plan(site: dict[str, Any]) -> EventSourcePlan:
    """The plan of a site's first source."""
    return plan_of(Site.model_validate(site)).event_sources[0]


def events(
    ids: Sequence[str],
    magnitude: Sequence[float] | None = None,
    *,
    at_us: Sequence[int] | None = None,
    site: str = "mine",
    source: str = "network",
    kind: Any = "seismic",
) -> EventBlock:
    """Events of the network, a minute apart from where the tests begin unless said otherwise."""
    count = len(ids)
    stamps = [BEGAN_US + n * MINUTE_US for n in range(count)] if at_us is None else at_us
    sizes = [1.0] * count if magnitude is None else magnitude
    return EventBlock(
        site=site,
        source=source,
        kind=kind,
        event_id=tuple(ids),
        sampled_us=np.array(stamps, np.int64),
        place=np.tile([100.0, 200.0, np.nan], (count, 1)),
        number_names=("magnitude", "energy_j"),
        numbers=np.column_stack([sizes, np.full(count, np.nan)]),
        text_names=("quality",),
        texts=(("A",) * count,),
    )


def event_bytes(*arguments: Any, **words: Any) -> bytes:
    """Such events as an edge sends them."""
    return encode_events(events(*arguments, **words))
