"""What the page shows of votes, in a real Chromium, while a slope fails."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from browser.window import SOON_MS, fresh_window, need_chromium
from playwright.async_api import Locator, Page, expect
from real_processes.stage import reach
from waiting import until

from simulators.proving.demonstration import Demonstration, demo_cast
from simulators.scenario import read_scenario

pytestmark = [pytest.mark.browser, pytest.mark.real_processes]


@pytest.fixture
async def mine(tmp_path: Path) -> AsyncIterator[Demonstration]:
    """A demonstration that comes to its votes in half a minute."""
    need_chromium()
    scenario = read_scenario("slope-failure")
    cast = demo_cast("slope-failure", scenario, rate=2 * scenario.rate, seed=1)
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


async def test_voted_and_highest_level_stand_side_by_side_in_both_languages(
    mine: Demonstration, page: Page
) -> None:
    await page.goto(mine.addresses.sign_in)
    card = page.locator('[data-testid="structure-card"][data-structure="east-slope"]')
    dam = page.locator('[data-testid="structure-card"][data-structure="north-dam"]')
    await level(dam, "voted-level", "none")
    await level(dam, "highest-level", "none")
    fan = page.locator('[data-testid="structure-card"][data-structure="main-fan"]')
    await expect(fan).to_be_visible()
    await expect(fan.get_by_test_id("vote-line")).to_have_count(0)

    await reach(mine, minute=35.5)  # Two cracks are orange: together they are red.
    await level(card, "voted-level", "red")
    await level(card, "highest-level", re.compile("orange|red"))

    await card.click()
    row = page.locator('[data-testid="alarm-row"][data-occurrence^="slope-crack-opening/vote/"]')
    await expect(row.first).to_contain_text("Vote of several points", timeout=SOON_MS)
    await expect(row.first).to_contain_text(re.compile(r"2 orange, .*of 8 points"))
    await expect(row.first).to_contain_text("GB 39496-2020, 5.5")
    cracks = page.locator('[data-testid="item"][data-item="slope-crack-opening"]')
    await level(cracks, "voted-level", "red")
    await cracks.locator("summary").click()
    point = cracks.locator('[data-testid="point"][data-channel="slope-crack-3-opening"]')
    await expect(point).to_contain_text(re.compile("(confirmed by|alone:) \\d of \\d nearby"))

    await page.goto(f"{mine.addresses.api}/#/alarms")
    single = page.locator('[data-testid="alarm-row"][data-occurrence^="slope-crack-3-opening/"]')
    await expect(single.first.get_by_test_id("nearby")).to_contain_text("nearby", timeout=SOON_MS)
    await page.go_back()

    await page.get_by_test_id("switch-language").click()
    await expect(page.get_by_test_id("votes")).to_contain_text("综合判定")
    await expect(cracks).to_contain_text("最高单点")
    await expect(row.first).to_contain_text("个橙色")
    await fits_a_phone(page)


async def level(within: Locator, test_id: str, said: str | re.Pattern[str]) -> None:
    """A level's badge says this, soon."""
    badge = within.get_by_test_id(test_id).first.locator("[data-level]")
    await expect(badge).to_have_attribute("data-level", said, timeout=SOON_MS)


async def fits_a_phone(page: Page) -> None:
    """Nothing is wider than a phone."""
    await page.set_viewport_size({"width": 390, "height": 844})

    async def fits() -> bool:
        width: int = await page.evaluate("document.documentElement.scrollWidth")
        return width <= 390

    await until(fits, SOON_MS / 1000)
