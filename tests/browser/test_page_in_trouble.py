"""The page when things are not as they should be, in a real Chromium on a real API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_centre import Centre, running_centre
from browser.window import SOON_MS, fresh_window, need_chromium
from live_lines import raises
from playwright.async_api import Page, expect

from api.settings import PAGE

pytestmark = pytest.mark.browser


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    need_chromium()
    async with running_centre(postgres_dsn, tmp_path, page=PAGE) as running:
        yield running


@pytest.fixture
async def page(centre: Centre) -> AsyncIterator[Page]:
    async with fresh_window(centre.url) as window:
        yield window


async def sign_in(page: Page, centre: Centre) -> None:
    """Come to the page as an operator does who has a token."""
    await page.goto(centre.url)
    await page.get_by_test_id("sign-in-token").fill(centre.operator)
    await page.get_by_test_id("sign-in-form").locator("button").first.click()


async def test_alarms_too_many_to_load_are_told_of(centre: Centre, page: Page) -> None:
    await centre.flush(*raises(1003))
    await sign_in(page, centre)

    await expect(page.get_by_test_id("alarms-not-shown")).to_contain_text("3 more", timeout=SOON_MS)
    await page.goto(f"{centre.url}/#/alarms")
    await expect(page.get_by_test_id("alarms-not-shown")).to_contain_text("3 more")
