"""The ledger of a day on the page, in a real Chromium."""

from pathlib import Path

import pytest
from api_centre import running_centre
from browser.window import SOON_MS, fresh_window, need_chromium
from ledger_day import delivered
from playwright.async_api import expect

from api.settings import PAGE

pytestmark = pytest.mark.browser


async def test_a_day_tells_what_is_missing_in_both_languages(
    postgres_dsn: str, tmp_path: Path
) -> None:
    need_chromium()
    async with running_centre(postgres_dsn, tmp_path, page=PAGE) as centre:
        await delivered(centre)
        async with fresh_window(centre.url) as page:
            await page.goto(centre.url)
            await page.get_by_test_id("sign-in-token").fill(centre.viewer)
            await page.get_by_test_id("sign-in-form").locator("button").first.click()
            await page.get_by_role("link", name="Alarms").first.click(timeout=SOON_MS)
            await page.get_by_test_id("to-ledger").click(timeout=SOON_MS)

            await expect(page.get_by_test_id("ledger-missing")).to_have_text("2", timeout=SOON_MS)
            await expect(page.get_by_test_id("ledger-taken")).to_have_text("3")
            await expect(page.get_by_test_id("ledger-gaps")).to_contain_text("dam-edge: 2 to 3")
            await expect(page.get_by_test_id("ledger-verdict")).to_contain_text("not over")
            await page.get_by_test_id("ledger-day").fill("2025-06-01")
            await expect(page.get_by_test_id("ledger-taken")).to_have_text("0", timeout=SOON_MS)
            await page.evaluate("localStorage.setItem('groundwatch.language', 'zh')")
            await page.reload()
            heading = page.get_by_role("heading", name="一天的台账")
            await expect(heading).to_be_visible(timeout=SOON_MS)
