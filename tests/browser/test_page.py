"""An operator's minute at the page, in a real Chromium, on a mine whose slope fails."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from browser.window import SOON_MS, fresh_window, need_chromium
from playwright.async_api import Page, expect
from real_processes.stage import reach
from waiting import until

from simulators.proving.demonstration import Demonstration, demo_cast
from simulators.scenario import read_scenario

# Other rules of the crack tell, too; this one's instant is in the scenario.
ALARM = '[data-testid="alarm-row"][data-occurrence^="slope-crack-3-opening/limit_high/"]'

pytestmark = [pytest.mark.browser, pytest.mark.real_processes]


@pytest.fixture
async def mine(tmp_path: Path) -> AsyncIterator[Demonstration]:
    """A demonstration whose scenario has just begun."""
    need_chromium()
    scenario = read_scenario("slope-failure")
    cast = demo_cast("slope-failure", scenario, rate=scenario.rate, seed=1)
    demonstration = Demonstration(cast, tmp_path)
    try:
        await demonstration.start()
        yield demonstration
    finally:
        await demonstration.stop()


@pytest.fixture
async def page(mine: Demonstration) -> AsyncIterator[Page]:
    async with fresh_window(mine.addresses.api) as window:
        yield window


async def test_an_operator_signs_in_sees_the_alarm_come_and_answers_for_it(
    mine: Demonstration, page: Page
) -> None:
    await page.goto(mine.addresses.sign_in)

    await expect(page.get_by_test_id("connection-state")).to_have_attribute(
        "data-state", "connected", timeout=SOON_MS
    )
    assert "code=" not in page.url
    await expect(page.get_by_test_id("structure-card")).to_have_count(4, timeout=SOON_MS)
    await expect(page.get_by_test_id("alarm-row")).to_have_count(0)

    await data_moves(page)
    await alarm_appears_without_reload(mine, page)
    await somebody_acknowledges(page)
    await a_reload_keeps_it(page)
    await another_language_and_a_phone(page)


async def data_moves(page: Page) -> None:
    """The chart of a crack grows by itself."""
    await page.locator('[data-testid="structure-card"][data-structure="east-slope"]').click()
    await page.locator('[data-testid="channel-row"][data-channel="slope-crack-3-opening"]').click()
    chart = page.get_by_test_id("chart")
    await expect(chart).to_have_attribute("data-newest", re.compile(r"\d"), timeout=SOON_MS)
    newest = await chart.get_attribute("data-newest")
    assert newest is not None
    await expect(chart).not_to_have_attribute("data-newest", newest, timeout=SOON_MS)
    await expect(chart.locator("canvas").first).to_be_visible()


async def alarm_appears_without_reload(mine: Demonstration, page: Page) -> None:
    """The first alarm, at about minute 13, is on the open page as soon as it is stored."""
    await page.evaluate("window.notReloaded = true")
    await reach(mine, minute=13)
    row = page.locator(ALARM)
    await expect(row.first).to_be_visible(timeout=SOON_MS)
    await expect(row.first).to_have_attribute("data-state", "unacknowledged")
    assert await page.evaluate("window.notReloaded") is True


async def somebody_acknowledges(page: Page) -> None:
    """Name and comment go to the server, and its answer is shown."""
    row = page.locator(ALARM).first
    await row.get_by_test_id("acknowledge-button").click()
    await page.get_by_test_id("acknowledge-person").fill("Ada")
    await page.get_by_test_id("acknowledge-comment").fill("Patrol is on its way")
    await page.get_by_test_id("acknowledge-submit").click()
    await expect(page.get_by_test_id("acknowledge-dialog")).to_have_count(0, timeout=SOON_MS)
    await expect(row).to_have_attribute("data-state", "acknowledged", timeout=SOON_MS)
    await expect(row).to_contain_text("Ada")


async def a_reload_keeps_it(page: Page) -> None:
    """After a reload the session stands, and so does the acknowledgement."""
    await page.reload()
    row = page.locator(ALARM).first
    await expect(row).to_be_visible(timeout=SOON_MS)
    await expect(row).to_contain_text("Ada")


async def another_language_and_a_phone(page: Page) -> None:
    """The page speaks Chinese, and nothing is wider than a phone."""
    await page.get_by_test_id("switch-language").click()
    await expect(page.locator("html")).to_have_attribute("lang", re.compile("^zh"))
    await page.set_viewport_size({"width": 390, "height": 844})

    async def fits() -> bool:
        width: int = await page.evaluate("document.documentElement.scrollWidth")
        return width <= 390

    await until(fits, SOON_MS / 1000)


async def test_a_wrong_token_gets_a_sentence(mine: Demonstration, page: Page) -> None:
    await page.goto(mine.addresses.api)
    await page.get_by_test_id("sign-in-token").fill("gw_000000000000_wrong")
    await page.get_by_test_id("sign-in-form").locator("button").first.click()

    await expect(page.get_by_test_id("sign-in-error")).not_to_be_empty(timeout=SOON_MS)
