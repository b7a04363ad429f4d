"""The page of forecasts in a real Chromium: which channels have a time, and how that is shown."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_centre import Centre, running_centre
from browser.window import SOON_MS, fresh_window, need_chromium
from ground import HOUR_US, START_US
from playwright.async_api import Locator, Page, Route, expect
from told_forecasts import CREEPING, FAILING, SLOWING, STILL, asking, told
from waiting import until

from alarms.forecast.record import ForecastRow
from api.settings import PAGE
from historian.forecasts import write_forecasts

pytestmark = pytest.mark.browser
CRACK = "crack-1-opening"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    need_chromium()

    def edited(text: str) -> str:
        return asking(text, CRACK, "twice", "barometer", "p-101-pressure", "p-101-level")

    async with running_centre(postgres_dsn, tmp_path, page=PAGE, edited=edited) as running:
        yield running


@pytest.fixture
async def page(centre: Centre) -> AsyncIterator[Page]:
    async with fresh_window(centre.url) as window:
        await window.clock.install()
        await window.goto(centre.url)
        await window.get_by_test_id("sign-in-token").fill(centre.viewer)
        await window.get_by_test_id("sign-in-form").locator("button").first.click()
        await expect(window.get_by_test_id("structure-card").first).to_be_visible(timeout=SOON_MS)
        yield window


async def let_it_ask_again(page: Page) -> None:
    """Let the page's clock, and no one else's, run ahead to when it asks anew."""
    await page.clock.fast_forward(15_000)


async def write(centre: Centre, *rows: ForecastRow) -> None:
    await write_forecasts(centre.connection, centre.ids.site_id, rows, START_US)


def moving(channel: str, *hours: float) -> list[ForecastRow]:
    """Answers about the failing slope, asked at several hours before START_US."""
    return [
        row
        for hour in hours
        for row in told({channel: FAILING}, as_of_h=hour, asked_us=START_US + round(hour * HOUR_US))
    ]


def row_of(page: Page, channel: str) -> Locator:
    return page.locator(f'[data-testid="forecast-row"][data-channel="{channel}"]')


async def a_mine_that_moves(centre: Centre) -> None:
    rest = told({"twice": CREEPING, "barometer": STILL, "p-101-pressure": SLOWING})
    old = told({"p-101-level": FAILING}, asked_us=START_US - 5 * HOUR_US)
    await write(centre, *moving(CRACK, *range(-24, 1, 2)), *rest, *old)


async def test_a_failure_that_is_expected_is_shown_with_interval_and_plots(
    centre: Centre, page: Page
) -> None:
    await a_mine_that_moves(centre)
    await page.get_by_role("link", name="Forecasts").click()

    rows = page.get_by_test_id("forecast-row")
    await expect(rows).to_have_count(5, timeout=SOON_MS)
    await expect(row_of(page, CRACK).get_by_test_id("time-left")).to_have_text(
        re.compile(r"^in 15 h")
    )
    await expect(page.get_by_test_id("interval")).to_have_text("80 %: 1 Jul, 20:42 to 2 Jul, 02:30")
    await expect(page.get_by_test_id("forecast-sentence")).to_contain_text(
        "Failure expected in 15 hours"
    )
    for plot, least in (("inverse-velocity", 5), ("forecast-moves", 8)):
        drawn = page.get_by_test_id(plot)
        await expect(drawn.locator("canvas")).to_be_visible()
        count = await drawn.get_attribute("data-count")
        assert count is not None
        assert int(count) >= least
    for channel, words in (
        ("twice", "Not accelerating"),
        ("barometer", "Not moving"),
        ("p-101-pressure", "Regressive"),
        ("p-101-level", "Out of date: nothing new has come for 5 hours"),
    ):
        await expect(row_of(page, channel)).to_contain_text(words)
    # What is out of date shows no time as if it still held.
    await expect(row_of(page, "p-101-level").get_by_test_id("time-left")).to_have_count(0)


async def test_a_new_answer_comes_to_the_open_page(centre: Centre, page: Page) -> None:
    await page.goto(f"{centre.url}/#/forecasts/{CRACK}")
    await expect(row_of(page, CRACK)).to_contain_text("Not asked yet", timeout=SOON_MS)
    await expect(row_of(page, CRACK).locator(".tag")).to_have_text("Unknown")
    await write(centre, *told({CRACK: STILL}, asked_us=START_US - HOUR_US))
    await let_it_ask_again(page)
    await expect(page.get_by_test_id("forecast-sentence")).to_contain_text(
        "Not moving", timeout=SOON_MS
    )
    await expect(page.get_by_test_id("inverse-velocity")).to_have_count(0)
    await write(centre, *told({CRACK: FAILING}))
    await let_it_ask_again(page)
    await expect(page.get_by_test_id("inverse-velocity")).to_be_visible(timeout=SOON_MS)
    # Of an acceleration that has ended one still sees what was expected of it.
    await write(centre, *told({CRACK: SLOWING}, asked_us=START_US + HOUR_US))
    await let_it_ask_again(page)
    await expect(page.get_by_test_id("forecast-sentence")).to_contain_text(
        "Regressive", timeout=SOON_MS
    )
    await expect(page.get_by_test_id("forecast-moves")).to_have_attribute("data-count", "1")
    await expect(page.get_by_test_id("inverse-velocity")).to_have_count(0)


async def test_what_accelerates_without_a_time_says_why(centre: Centre, page: Page) -> None:
    await write(centre, *told({CRACK: FAILING}, as_of_h=-20.0, asked_us=START_US))
    await page.goto(f"{centre.url}/#/forecasts")
    await expect(page.get_by_test_id("forecast-sentence")).to_contain_text(
        "it is too early to tell the time", timeout=SOON_MS
    )
    await expect(page.get_by_test_id("no-moves")).to_be_visible()
    await expect(page.get_by_test_id("inverse-velocity").locator("canvas")).to_be_visible()
    await expect(page.get_by_test_id("fails-at")).to_have_count(0)


async def test_a_centre_that_fails_leaves_what_was_known_and_says_so(
    centre: Centre, page: Page
) -> None:
    async def fail(route: Route) -> None:
        await route.fulfill(status=503, json={"error": {"code": "database_away", "message": "."}})

    await write(centre, *moving(CRACK, 0))
    await page.goto(f"{centre.url}/#/forecasts")
    await expect(page.get_by_test_id("fails-at")).to_be_visible(timeout=SOON_MS)
    await page.route("**/forecasts*", fail)
    await let_it_ask_again(page)
    await expect(page.get_by_test_id("forecasts-failed").first).to_be_visible(timeout=SOON_MS)
    await expect(page.get_by_test_id("fails-at")).to_be_visible()
    await page.unroute("**/forecasts*")
    await let_it_ask_again(page)
    await expect(page.get_by_test_id("forecasts-failed")).to_have_count(0, timeout=SOON_MS)


async def test_on_a_phone_and_in_chinese(centre: Centre, page: Page, tmp_path: Path) -> None:
    await a_mine_that_moves(centre)
    await page.goto(f"{centre.url}/#/forecasts/{CRACK}")
    await expect(page.get_by_test_id("inverse-velocity")).to_be_visible(timeout=SOON_MS)
    await page.get_by_test_id("switch-language").click()
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await expect(page.get_by_test_id("forecast-sentence")).to_contain_text("预计 15 小时后失稳")

    async def fits() -> bool:
        width: int = await page.evaluate("document.documentElement.scrollWidth")
        return width <= PHONE["width"]

    await until(fits, SOON_MS / 1000)
    await expect(page.get_by_test_id("forecast-moves").locator("canvas")).to_be_visible()
