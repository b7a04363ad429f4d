"""An edge cannot send for another: every way across, with all that a thief could have."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import own_authority
import pytest
from ingest_bench import IngestBench, edge_line, fetch, ingest
from ingest_site import NAME, block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from websockets.exceptions import InvalidStatus

from ingest import admission
from ingest.encryption import Encryption
from telemetry.tls import client_context

EDGES = [("mine", "dam-edge"), ("mine", "hill-edge"), ("pit", "dam-edge")]
FLOW = {"id": "flow", "instrument": "weir", "quantity": "water_level", "unit": "m", "slot": 0}


def with_gateway(site: str) -> dict[str, Any]:
    """The small mine, with a gateway that sends by itself."""
    tree = site_document(site)
    tree["buses"].append({"id": "gate-bus", "edge": "gate", "gateway": {}})
    tree["structures"][1]["stations"].append(
        {
            "id": "gully",
            "name": NAME,
            "instruments": [{"id": "weir", "type": "gauge"}],
            "scan_groups": [{"id": "flows", "period_s": 60, "bus": "gate-bus", "channels": [FLOW]}],
        }
    )
    return tree


PLAN = plan_in(with_gateway("mine"))


@pytest.fixture
def ca(tmp_path: Path) -> own_authority.Ca:
    return own_authority.authority(tmp_path / "ca")


@pytest.fixture
async def bench(
    postgres_dsn: str, tmp_path: Path, ca: own_authority.Ca
) -> AsyncIterator[IngestBench]:
    sites = [write_site(tmp_path, with_gateway(site)) for site in ("mine", "pit")]
    encryption = Encryption(ca.server(), ca.certificate)
    async with ingest(postgres_dsn, *sites, encryption=encryption) as opened:
        yield opened


async def test_token_certificate_and_hello_must_name_the_same_edge(
    bench: IngestBench, ca: own_authority.Ca
) -> None:
    """The whole matrix: whoever mixes what belongs to two edges is never welcomed."""
    tokens = {edge: await bench.token(edge[1], edge[0]) for edge in EDGES}
    contexts = {edge: client_context(ca.certificate, ca.edge(*edge)) for edge in EDGES}
    contexts |= {None: client_context(ca.certificate)}  # type: ignore[dict-item]
    welcomed = []
    for token in EDGES:
        for said in EDGES:
            for shown, secured in contexts.items():
                with suppress(InvalidStatus):
                    async with edge_line(
                        bench, said[1], site=said[0], token=tokens[token], secured=secured
                    ) as line:
                        if line.refused is None:
                            welcomed.append((token, said, shown))
    assert welcomed == [(edge, edge, shown) for edge in EDGES for shown in (edge, None)]
    assert {(one.site, one.edge) for desk in bench.desks for one in desk.streams.values()} == set(
        EDGES
    )


@pytest.mark.parametrize("group", ["cracks", "flows", "sums"])
async def test_groups_of_others_are_not_taken(
    bench: IngestBench, connection: AsyncConnection, ca: own_authority.Ca, group: str
) -> None:
    """Another edge's group, a gateway's, and one that is computed here."""
    async with edge_line(bench, secured=client_context(ca.certificate, ca.edge())) as line:
        await line.put(block(PLAN, group, [[99.0]]))
        await line.drained()
    (row,) = await fetch(connection, "select reason, edge from quarantine")
    assert row["edge"] == "dam-edge"
    assert row["reason"] in {"wrong_edge", "unknown_group"}
    stored = await fetch(connection, "select 1 from scan where stream_id is not null")
    assert stored == []


async def test_a_block_for_another_site_is_not_taken(
    bench: IngestBench, connection: AsyncConnection, ca: own_authority.Ca
) -> None:
    async with edge_line(bench, secured=client_context(ca.certificate)) as line:
        await line.put(block(PLAN, "levels", [[1.0, 2.0]], site="pit"))
        await line.drained()
    (row,) = await fetch(connection, "select reason from quarantine")
    assert row["reason"] == "wrong_site"


async def test_an_edge_that_the_site_file_does_not_know_is_refused(
    bench: IngestBench, ca: own_authority.Ca
) -> None:
    token = await bench.token("shaft-edge")
    secured = client_context(ca.certificate, ca.edge("mine", "shaft-edge"))
    async with edge_line(bench, "shaft-edge", token=token, secured=secured) as line:
        await line.ended()
        assert line.refused is not None
        assert line.refused.code == "wrong_site"


def test_revocation_is_looked_at_often_enough() -> None:
    """Open lines are cut within a minute, also where one look finds the database away."""
    assert 2 * admission.CHECK_CALLERS_EVERY_S + admission.TELL_WITHIN_S <= 60
