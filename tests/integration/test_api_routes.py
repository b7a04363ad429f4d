"""The routes over a real database and a real server: what they show, and what they refuse."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from api_centre import SITE, Centre, deciding_ingest, running_centre
from ground import HOUR_US, SECOND_US, START_US, transition

from alarms.transition import AlarmKind, Change
from historian import tokens
from historian.partition import ensure_partitions
from historian.tokens import Scope
from historian.writer import ScanWrite, write_scans

CRACK = f"crack-1-opening/limit_high/{START_US}"
RAISED = transition(
    Change.RAISE, "blue", at_s=0, of="crack-1-opening", evidence={"value": 12.0, "unit": "mm"}
)
RISEN = transition(Change.RISE, "orange", at_s=60, of="crack-1-opening")


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


@pytest.fixture
async def client(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.client(centre.operator) as opened:
        yield opened


async def test_sites_show_worst_level_and_freshness(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    await centre.flush(
        RAISED,
        RISEN,
        transition(
            Change.RAISE,
            "yellow",
            at_s=9,
            of="cracks",
            rule="silence",
            kind=AlarmKind.TECHNICAL,
            structure="north-dam",
        ),
        scans=[centre.scan("cracks", [12.5])],
    )

    [site] = (await client.get("/api/v1/sites")).json()
    assert site["site"] == SITE
    assert site["name"] == {"en": "North mine", "zh": "北矿"}
    assert (site["worst_level"], site["unacknowledged"]) == ("orange", 2)
    dam, slope = site["structures"]
    assert (slope["structure"], slope["kind"]) == ("east-slope", "slope")
    assert (slope["worst_level"], slope["unacknowledged"], slope["active"]) == ("orange", 1, 1)
    assert slope["newest_at"] == "2025-07-01T00:00:00Z"
    # A technical alarm is counted, but says nothing about the ground.
    assert (dam["worst_level"], dam["unacknowledged"], dam["freshness"]) == ("none", 1, "unknown")


async def test_channels_are_described_with_the_rules_that_judge_them(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get(f"/api/v1/sites/{SITE}/channels?structure=north-dam")

    channels = {one["channel"]: one for one in answer.json()}
    assert "crack-1-opening" not in channels
    pressure = channels["p-101-pressure"]
    assert [limit["rule"] for limit in pressure["limits"]] == ["limit_high", "limit_low"]
    assert pressure["limits"][0]["levels"] == {"blue": 10, "yellow": 20, "orange": 30, "red": 40}
    assert pressure["rate_limits"][0]["rule"] == "rate_high_3600"
    assert pressure["rate_limits"][0]["window_s"] == 3600
    assert pressure["instrument"]["serial"] == "83807"
    assert pressure["quantity_name"] == {"en": "Pore pressure", "zh": "孔隙水压力"}
    assert channels["running"]["states"]["0"] == {
        "name": {"en": "Stopped", "zh": "停"},
        "level": "red",
    }
    assert channels["p-101-level"]["calculated"]


async def test_history_has_no_more_points_than_asked_for_and_keeps_extremes(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    await ensure_partitions(centre.connection, range(START_US, START_US + HOUR_US))
    values = np.sin(np.arange(3000) / 50)
    values[1234] = 99.0
    times = START_US + np.arange(3000, dtype=np.int64) * SECOND_US
    async with centre.connection.transaction():
        await write_scans(
            centre.connection,
            centre.ids.site_id,
            1,
            [
                ScanWrite(
                    group_id=centre.scan("cracks", [0]).group_id,
                    stream_id=None,
                    seq=None,
                    time_us=times,
                    judged_us=times,
                    ordinal=np.zeros(3000, np.int16),
                    raw=values[:, np.newaxis],
                    value=values[:, np.newaxis],
                    quality=np.zeros((3000, 1), np.int16),
                )
            ],
        )

    answer = await client.get(
        f"/api/v1/sites/{SITE}/channels/crack-1-opening/history",
        params={"from": "2025-07-01T00:00:00Z", "to": "2025-07-01T01:00:00Z", "points": 100},
    )
    history = answer.json()
    assert (history["channel"], history["unit"]) == ("crack-1-opening", "mm")
    assert 50 < len(history["time_us"]) <= 100
    assert len(history["value"]) == len(history["quality"]) == len(history["time_us"])
    assert max(one for one in history["value"] if one is not None) == 99.0


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("points=1", "points"),
        ("points=5001", "points"),
        ("points=many", "points"),
        ("from=yesterday", "from"),
        ("from=2025-07-01T00:00:00", "from"),  # No time zone.
        ("from=2025-07-02T00:00:00Z&to=2025-07-01T00:00:00Z", "from"),
        ("from=0001-01-01T00:00:00%2B01:00", "from"),  # In UTC the year 0.
        ("to=9999-12-31T23:59:59-05:00", "to"),
        ("to=0001-01-01T00:00:00Z", "from"),
        ("colour=red", "colour"),
    ],
)
async def test_a_wrong_span_is_refused_with_a_sentence(
    client: httpx.AsyncClient, query: str, word: str
) -> None:
    answer = await client.get(f"/api/v1/sites/{SITE}/channels/crack-1-opening/history?{query}")

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "invalid"
    assert word in error["message"]
    assert error["message"].endswith(".")


async def test_alarms_are_filtered_and_give_a_cursor(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    await centre.flush(
        RAISED,
        RISEN,
        transition(Change.RAISE, "yellow", at_s=9, of="p-101-pressure", structure="north-dam"),
    )

    async def channels(query: str) -> list[str]:
        answer = await client.get(f"/api/v1/sites/{SITE}/alarms?{query}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["cursor"] == {SITE: 3}
        return [alarm["channel"] for alarm in answer.json()["alarms"]]

    both = ["crack-1-opening", "p-101-pressure"]
    assert sorted(await channels("")) == both
    assert sorted(await channels("open=true&limit=1000")) == both
    assert await channels("open=false") == []
    assert await channels("state=normal") == []
    assert await channels("level=orange") == ["crack-1-opening"]
    assert sorted(await channels("level=orange&level=yellow")) == both
    assert await channels("structure=north-dam&kind=process") == ["p-101-pressure"]
    assert await channels("kind=technical") == []
    assert len(await channels("limit=1")) == 1


async def test_a_flood_pushes_no_standing_red_off_the_list(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    flood = [
        transition(
            Change.RAISE,
            "orange",
            at_s=60 + n,
            of=f"crack-{n}",
            rule="quality",
            kind=AlarmKind(kind),
        )
        for n, kind in enumerate(("technical", "process", "technical"))
    ]
    await centre.flush(transition(Change.RAISE, "red", at_s=0, of="crack-1-opening"), *flood)

    listed = (await client.get(f"/api/v1/sites/{SITE}/alarms?open=true&limit=2")).json()
    assert [(one["level"], one["kind"]) for one in listed["alarms"]] == [
        ("red", "process"),
        ("orange", "process"),
    ]
    assert listed["total"] == 4
    closed = (await client.get(f"/api/v1/sites/{SITE}/alarms?open=false")).json()
    assert (closed["alarms"], closed["total"]) == ([], 0)


@pytest.mark.parametrize("route", ["channels", "latest", "alarms"])
async def test_an_unknown_structure_is_no_empty_answer(
    client: httpx.AsyncClient, route: str
) -> None:
    known = await client.get(f"/api/v1/sites/{SITE}/{route}?structure=north-dam")
    unknown = await client.get(f"/api/v1/sites/{SITE}/{route}?structure=nope")

    assert known.status_code == 200
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_structure")
    assert "'nope', but north-dam, " in unknown.json()["error"]["message"]


async def test_an_alarm_shows_its_evidence(centre: Centre, client: httpx.AsyncClient) -> None:
    await centre.flush(RAISED)

    alarm = (await client.get(f"/api/v1/sites/{SITE}/alarm", params={"occurrence": CRACK})).json()
    assert (alarm["level"], alarm["worst_level"], alarm["state"]) == (
        "blue",
        "blue",
        "unacknowledged",
    )
    assert alarm["evidence"] == {"value": 12.0, "unit": "mm"}
    assert alarm["raised_at"] == "2025-07-01T00:00:00Z"
    assert alarm["number"] == 1


async def test_acknowledging_takes_name_and_comment(
    centre: Centre, client: httpx.AsyncClient, postgres_dsn: str
) -> None:
    await centre.flush(RAISED)
    async with deciding_ingest(centre, postgres_dsn):
        answer = await client.post(
            f"/api/v1/sites/{SITE}/acknowledgements",
            json={
                "occurrence": CRACK,
                "person": "Wang Wei",
                "comment": "crew on its way",
                "number": 1,
            },
        )
        again = await client.post(
            f"/api/v1/sites/{SITE}/acknowledgements",
            json={"occurrence": CRACK, "person": "Li Na"},
        )

    alarm = answer.json()
    assert answer.status_code == 200, answer.text
    assert (alarm["state"], alarm["acknowledged_by"]) == ("acknowledged", "Wang Wei")
    assert alarm["comment"] == "crew on its way"
    assert again.status_code == 409
    assert again.json()["error"]["message"] == "the alarm is already acknowledged by Wang Wei"
    (seen,) = await centre.fetch("select body ->> 'seen_number' from action where accepted")
    assert seen == ("1",)


async def test_an_acknowledgement_that_nobody_decides_never_counts_later(
    centre: Centre, client: httpx.AsyncClient, postgres_dsn: str
) -> None:
    await centre.flush(RAISED)
    answer = await client.post(
        f"/api/v1/sites/{SITE}/acknowledgements", json={"occurrence": CRACK, "person": "Li Na"}
    )
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "undecided"

    async with deciding_ingest(centre, postgres_dsn):
        # The ingest is back and decides what it finds: another one, but not the old one.
        later = await client.post(
            f"/api/v1/sites/{SITE}/acknowledgements",
            json={"occurrence": CRACK, "person": "Wang Wei"},
        )
    assert later.json()["acknowledged_by"] == "Wang Wei"
    decided = await centre.fetch("select accepted, reason from action order by asked_at")
    assert decided == [(False, "expired"), (True, "")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"occurrence": "nothing/limit_high/1", "person": "Li Na"}, 404),
        ({"occurrence": CRACK}, 422),
        ({"occurrence": CRACK, "person": "   "}, 422),
        ({"occurrence": CRACK, "person": "Li Na", "level": "none"}, 422),
        ({"occurrence": CRACK, "person": "Li Na", "number": -1}, 422),
        ({"occurrence": CRACK, "person": "Li Na", "number": 2**63}, 422),
        ({"occurrence": CRACK, "person": "Li Na", "comment": "x" * 2001}, 422),
        ({"occurrence": CRACK, "person": "Li\0Na"}, 422),
        ({"occurrence": CRACK, "person": "Li Na", "comment": "seen\0"}, 422),
        ({"occurrence": "\0", "person": "Li Na"}, 422),
        ([CRACK], 422),
    ],
)
async def test_a_wrong_acknowledgement_is_refused(
    centre: Centre, client: httpx.AsyncClient, body: Any, status: int
) -> None:
    await centre.flush(RAISED)
    answer = await client.post(f"/api/v1/sites/{SITE}/acknowledgements", json=body)

    assert answer.status_code == status
    assert answer.json()["error"]["message"].endswith(".")
    assert await centre.fetch("select 1 from action") == []


async def test_the_journal_is_read_in_pages_and_verified(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    await centre.flush(RAISED, RISEN)

    first = (await client.get(f"/api/v1/sites/{SITE}/journal?limit=1")).json()
    second = (await client.get(f"/api/v1/sites/{SITE}/journal?after={first['cursor']}")).json()
    last = (await client.get(f"/api/v1/sites/{SITE}/journal?after={second['cursor']}")).json()
    assert [entry["change"] for entry in first["entries"] + second["entries"]] == ["raise", "rise"]
    assert second["entries"][0]["sampled_at"] == "2025-07-01T00:01:00Z"
    assert last == {"entries": [], "cursor": 2}

    verification = f"/api/v1/sites/{SITE}/journal/verification"
    assert (await client.get(verification)).json() == {
        "intact": True,
        "entries": 2,
        "broken_at": None,
    }
    await centre.connection.execute("update journal set body = '{}' where number = 2")
    assert (await client.get(verification)).json()["broken_at"] == 2


async def test_a_new_configuration_is_taken_up(centre: Centre, client: httpx.AsyncClient) -> None:
    document = (await centre.fetch("select document from configuration"))[0][0]
    await client.get("/api/v1/sites")
    await centre.connection.execute(
        "insert into configuration select site_id, 2, %s, sha256, loaded_at from configuration",
        [document.replace("North mine", "Old mine")],
    )

    async def name() -> str:
        return (await client.get("/api/v1/sites")).json()[0]["name"]["en"]

    while await name() != "Old mine":  # Looked up once a second; pytest's time-out is the end.
        pass


async def test_a_token_for_one_site_sees_no_other(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    token = await tokens.create_token(
        centre.connection, Scope.OPERATOR, "south-mine", None, "test", START_US
    )
    async with centre.client(token) as other:
        assert (await other.get("/api/v1/sites")).json() == []
        foreign = [
            await other.get(f"/api/v1/sites/{SITE}/{path}")
            for path in (
                "channels",
                "latest",
                "alarms",
                "journal",
                "journal/verification",
                f"alarm?occurrence={CRACK}",
                "channels/crack-1-opening/history",
                "forecasts",
                "forecasts/crack-1-opening",
            )
        ]
        foreign.append(
            await other.post(
                f"/api/v1/sites/{SITE}/acknowledgements",
                json={"occurrence": CRACK, "person": "Li Na"},
            )
        )
    unknown = await client.get("/api/v1/sites/no-such-mine/channels")
    assert {answer.status_code for answer in foreign} == {404}
    assert {answer.json()["error"]["code"] for answer in foreign} == {"unknown_site"}
    assert unknown.json()["error"]["code"] == "unknown_site"
