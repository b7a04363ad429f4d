"""Back-tests on the page: asked for with a file, followed to their end, and the report opened."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_centre import Centre, running_centre
from browser.window import SOON_MS, fresh_window, need_chromium
from history import import_of_mine, stepping_file
from ingest_site import group_in, site_document, write_site
from playwright.async_api import Page, expect

from api.settings import PAGE

pytestmark = [pytest.mark.browser]


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    need_chromium()
    await import_of_mine(postgres_dsn, tmp_path, stepping_file(20))
    async with running_centre(postgres_dsn, tmp_path, page=PAGE) as running:
        yield running


@pytest.fixture
async def page(centre: Centre) -> AsyncIterator[Page]:
    async with fresh_window(centre.url) as window:
        await window.goto(centre.url)
        await window.get_by_test_id("sign-in-token").fill(centre.operator)
        await window.get_by_test_id("sign-in-form").locator("button").first.click()
        await window.locator(".site-name select").select_option("mine", timeout=SOON_MS)
        await window.goto(f"{centre.url}/#/alarms")
        await window.get_by_test_id("to-back-tests").click()
        yield window


async def ask(page: Page, against: Path | None) -> None:
    form = page.get_by_test_id("back-test-form")
    await form.locator('[name="from"]').fill("2025-07-01")
    await form.locator('[name="to"]').fill("2025-07-21")
    if against is not None:
        await form.get_by_test_id("back-test-against").set_input_files(against)
    await form.locator("button").click()


async def test_two_site_files_are_compared_and_the_report_is_opened(
    page: Page, tmp_path: Path
) -> None:
    tree = site_document()
    group_in(tree, "levels")["channels"][0]["limits"][0]["levels"] = {"orange": 11.0, "red": 20.0}
    (tmp_path / "other").mkdir()
    await ask(page, write_site(tmp_path / "other", tree))

    row = page.get_by_test_id("back-test").first
    await expect(row).to_have_attribute("data-state", "finished", timeout=2 * SOON_MS)
    async with page.expect_popup() as opened:
        await row.locator("a").click()
    report = await opened.value
    await expect(report.locator("h1")).to_contain_text("mine: back-test")
    # Its own style is let in by its hash, and nothing else is.
    lane = report.locator("svg .lane").first
    assert await lane.evaluate("one => getComputedStyle(one).fill") == "rgb(241, 244, 246)"


async def test_a_wrong_file_and_a_wrong_span_get_sentences(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("site: mine\nno_such_key: 3\n", encoding="utf-8")
    await ask(page, wrong)

    row = page.get_by_test_id("back-test").first
    await expect(row).to_have_attribute("data-state", "failed", timeout=2 * SOON_MS)
    await expect(row).to_contain_text("against.yaml")

    form = page.get_by_test_id("back-test-form")
    await form.locator('[name="to"]').fill("2025-06-01")
    await form.locator('[name="from"]').fill("2025-07-01")
    await form.locator("button").click()
    await expect(page.get_by_test_id("back-test-error")).to_contain_text("span is empty")
