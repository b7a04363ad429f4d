"""The routes of forecasts: what is expected, how it moved, and that nothing old passes for new."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_centre import SITE, Centre, running_centre
from ground import HOUR_US, START_US
from told_forecasts import CREEPING, FAILING, SLOWING, STILL, asking, told

from alarms.forecast.record import ForecastInputs, ForecastRow, forecast_again
from historian.forecasts import write_forecasts
from telemetry.clock import instant_at

FORECASTS = f"/api/v1/sites/{SITE}/forecasts"
CRACK = "crack-1-opening"


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    def edited(text: str) -> str:
        return asking(text, CRACK, "twice", "barometer", "p-101-pressure", "p-101-level")

    async with running_centre(postgres_dsn, tmp_path, edited=edited) as running:
        yield running


@pytest.fixture
async def client(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.client(centre.viewer) as opened:
        yield opened


async def write(centre: Centre, *rows: ForecastRow) -> None:
    await write_forecasts(centre.connection, centre.ids.site_id, rows, START_US)


async def test_the_soonest_failure_comes_first_and_every_channel_has_a_sentence(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    later = told({"p-101-level": FAILING}, as_of_h=-8.0, asked_us=START_US)
    rest = told({"twice": CREEPING, "barometer": STILL, "p-101-pressure": SLOWING, CRACK: FAILING})
    await write(centre, *later, *rest, *told({"taken-out": FAILING, "running": FAILING}))

    views = (await client.get(FORECASTS)).json()
    assert [(one["channel"], one["verdict"]) for one in views] == [
        (CRACK, "forecast"),
        ("p-101-level", "forecast"),
        ("barometer", "not_moving"),
        ("p-101-pressure", "regressive"),
        ("twice", "not_accelerating"),
    ]
    crack, _, still, _, _ = views
    [row] = told({CRACK: FAILING})
    assert row.fails_us is not None
    assert crack["fails_at"] == instant_at(row.fails_us).isoformat().replace("+00:00", "Z")
    assert crack["earliest_at"] < crack["fails_at"] < crack["latest_at"]
    assert (crack["freshness"], crack["unit"], crack["structure"]) == ("fresh", "mm", "east-slope")
    assert crack["sentence"]["en"].startswith("Failure expected in 15 hours, between")
    assert crack["sentence"]["zh"].startswith("预计 15 小时后失稳")
    assert crack["r_squared"] > 0.95
    assert crack["rates"] >= 5
    assert crack["others"]["line_fails_at"] is not None
    assert (still["fails_at"], still["velocity"], still["onset_at"]) == (None, None, None)
    assert still["sentence"]["en"] == "Not moving: all movement is within the noise."

    slope = (await client.get(f"{FORECASTS}?structure=east-slope")).json()
    assert {one["channel"] for one in slope} == {CRACK, "twice"}


async def test_what_nothing_new_has_come_to_is_stale(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    await write(
        centre,
        *told({CRACK: FAILING}, asked_us=START_US - 4 * HOUR_US),
        *told({"twice": FAILING}, asked_us=START_US - 2 * HOUR_US),
        *told({"p-101-level": STILL}, asked_us=START_US - 40 * HOUR_US),
    )
    told_in_order = (await client.get(FORECASTS)).json()
    views = {one["channel"]: one for one in told_in_order if one["verdict"] != "not_asked"}

    assert list(views) == ["twice", CRACK, "p-101-level"]  # The stale time would be the sooner.
    assert {name: one["freshness"] for name, one in views.items()} == {
        CRACK: "stale",
        "twice": "fresh",
        "p-101-level": "stale",
    }
    assert views[CRACK]["sentence"]["en"].startswith(
        "Out of date: nothing new has come for 4 hours. It was said: Failure expected in 11 hours"
    )
    assert views[CRACK]["sentence"]["zh"].startswith("已过时")
    assert "Not moving" in views["p-101-level"]["sentence"]["en"]
    assert views["p-101-level"]["sentence"]["en"].startswith("Out of date")
    assert views["twice"]["sentence"]["en"].startswith("Failure expected in 13 hours")


async def test_how_a_forecast_moved_and_what_its_plot_shows(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    hours = [-60.0, -20.0, -10.0, -4.0, 0.0]
    await write(
        centre,
        *(row for one in hours for row in told(
            {CRACK: FAILING}, as_of_h=one, asked_us=START_US + round(one * HOUR_US)
        )),
    )  # fmt: skip
    shown = (await client.get(f"{FORECASTS}/{CRACK}")).json()

    assert len(shown["moves"]) == len(hours)
    assert [one["fails_at"] is not None for one in shown["moves"]] == [False] * 2 + [True] * 3
    assert shown["moves"][-1]["asked_at"] == shown["newest"]["asked_at"]
    assert shown["inputs"] is None
    plot = shown["inverse_velocity"]
    assert len(plot["rates"]) == 9
    assert sum(one["usable"] for one in plot["rates"]) == shown["newest"]["rates"]
    assert plot["slope"] < 0 < plot["intercept"]
    for one in plot["rates"]:
        assert one["inverse"] == pytest.approx(1 / one["velocity"])
    # The line that is drawn reaches zero where the method says that it does.
    hours_left = -plot["intercept"] / plot["slope"]
    [row] = told({CRACK: FAILING})
    assert hours_left == pytest.approx(row.answers["by_line_h"])

    part = f"{FORECASTS}/{CRACK}?to=2025-06-30T23:59:00Z&limit=2"
    earlier = (await client.get(part)).json()
    assert len(earlier["moves"]) == 2
    assert earlier["newest"]["asked_at"] == "2025-06-30T20:00:00Z"


async def test_inputs_are_shown_where_asked_for_and_make_the_forecast_again(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    gappy = FAILING.copy()
    gappy[50] = float("nan")
    [row] = told({CRACK: gappy})
    await write(centre, row)
    shown = (await client.get(f"{FORECASTS}/{CRACK}?inputs=true")).json()["inputs"]

    assert (shown["bin_s"], shown["bins"], shown["value"][50]) == (3600, 500, None)
    assert shown["first_at"] == "2025-06-10T05:00:00Z"
    value = tuple(float("nan") if one is None else one for one in shown["value"])
    inputs = ForecastInputs(
        HOUR_US, shown["bins"], shown["resolution"], shown["settings"], shown["configuration"]
    )
    again = forecast_again(replace(row, value=value, inputs=inputs))
    assert again.answers.fails_h[0] == pytest.approx(row.answers["fails_h"], rel=1e-9)


async def test_a_channel_that_was_never_asked_about_is_empty_and_no_other_is(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    for query in ("", "?inputs=true"):
        assert (await client.get(f"{FORECASTS}/{CRACK}{query}")).json() == {
            "channel": CRACK,
            "unit": "mm",
            "newest": None,
            "inverse_velocity": None,
            "moves": [],
            "inputs": None,
        }
    views = (await client.get(FORECASTS)).json()
    assert {(one["verdict"], one["freshness"]) for one in views} == {("not_asked", "unknown")}
    assert len(views) == 5
    assert views[0]["sentence"]["en"].startswith("Not asked yet")
    unknown = await client.get(f"{FORECASTS}/crack-9")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_channel")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "inputs=perhaps", "from=now", "x=1"])
async def test_a_wrong_question_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{FORECASTS}/{CRACK}?{query}")
    assert answer.status_code == 422
    assert query.split("=", maxsplit=1)[0] in answer.json()["error"]["message"]


async def test_a_time_beyond_all_calendars_is_no_instant(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    [row] = told({CRACK: FAILING})
    answers: dict[str, Any] = dict(row.answers) | {"by_line_h": 9e7, "by_slo_h": -9e7}
    answers["rate"] = [-1.0, 0.0, None, *answers["rate"][3:]]
    answers["rate_floor"] = [0.0, 0.0, 0.0, 99.0, *answers["rate_floor"][4:]]
    await write(centre, replace(row, answers=answers))
    shown = (await client.get(f"{FORECASTS}/{CRACK}")).json()

    others = shown["newest"]["others"]
    assert (others["line_fails_at"], others["slo_fails_at"]) == (None, None)
    rates = shown["inverse_velocity"]["rates"]
    assert [(one["inverse"], one["usable"]) for one in rates[:2]] == [(None, False), (None, False)]
    assert [one["usable"] for one in rates[2:]] == [False, *[True] * 5]
    assert rates[2]["inverse"] is not None  # Shown as what is noise.
    assert len(rates) == 8
