"""The page when things are not as they should be, in a real Chromium on a real API."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_centre import SITE, SITE_FILE, Centre, running_centre
from browser.window import SOON_MS, fresh_window, need_chromium
from ground import START_US, transition
from live_lines import raises
from playwright.async_api import Page, Route, WebSocket, expect

from alarms.transition import AlarmKind, AlarmState, Change
from api.settings import PAGE
from historian import tokens
from historian.registry import register_site
from historian.tokens import Scope
from telemetry.plan import plan_of
from telemetry.site_file import read_site_text

pytestmark = pytest.mark.browser
RED = re.compile(r"\bRed\b")  # And not "measured".


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    need_chromium()
    async with running_centre(postgres_dsn, tmp_path, page=PAGE) as running:
        yield running


@pytest.fixture
async def page(centre: Centre) -> AsyncIterator[Page]:
    async with fresh_window(centre.url) as window:
        yield window


async def sign_in(page: Page, centre: Centre, *, token: str | None = None) -> None:
    """Come to the page as an operator does who has a token."""
    await page.goto(centre.url)
    await page.get_by_test_id("sign-in-token").fill(token or centre.operator)
    await page.get_by_test_id("sign-in-form").locator("button").first.click()


async def test_alarms_too_many_to_load_are_told_of(centre: Centre, page: Page) -> None:
    await centre.flush(*raises(1003))
    await sign_in(page, centre)

    await expect(page.get_by_test_id("alarms-not-shown")).to_contain_text("3 more", timeout=SOON_MS)
    await page.goto(f"{centre.url}/#/alarms")
    await expect(page.get_by_test_id("alarms-not-shown")).to_contain_text("3 more")


async def test_a_centre_without_a_site_says_so(centre: Centre, page: Page) -> None:
    limited = await tokens.create_token(
        centre.connection, Scope.VIEWER, "another-mine", None, "test", START_US
    )
    await sign_in(page, centre, token=limited)
    await expect(page.get_by_test_id("waiting")).to_contain_text("no site", timeout=SOON_MS)


async def test_a_centre_that_fails_says_so_and_is_waited_for(centre: Centre, page: Page) -> None:
    async def fail(route: Route) -> None:
        await route.fulfill(status=503, json={"error": {"code": "database_away", "message": "."}})

    await page.route("**/latest", fail)
    await sign_in(page, centre)
    await expect(page.get_by_test_id("waiting")).to_contain_text("cannot do", timeout=SOON_MS)
    await page.unroute("**/latest")
    await expect(page.get_by_test_id("structure-card").first).to_be_visible(timeout=SOON_MS)


async def test_sites_that_are_chosen_in_haste_leave_one_line(centre: Centre, page: Page) -> None:
    text = SITE_FILE.read_text(encoding="utf-8").replace(f"site: {SITE}", "site: a-mine", 1)
    plan = plan_of(read_site_text(text, "a-mine.yaml"))
    await register_site(centre.connection, plan, text, START_US)
    loading: asyncio.Queue[Route] = asyncio.Queue()
    opened: list[WebSocket] = []
    await sign_in(page, centre)
    await expect(page.get_by_test_id("connection-state")).to_have_attribute(
        "data-state", "connected", timeout=SOON_MS
    )

    page.on("websocket", lambda socket: opened.append(socket))  # noqa: PLW0108 - it marks functions
    await page.route("**/alarms?open=true*", loading.put_nowait)
    for site in (SITE, "a-mine", SITE):
        await page.get_by_label("Site", exact=True).select_option(site)
    held = [await loading.get() for _ in range(3)]
    for route in held:
        await route.continue_()
    await expect(page.get_by_test_id("structure-card").first).to_be_visible(timeout=SOON_MS)
    await centre.flush(*raises(1))
    await expect(page.get_by_test_id("alarm-row")).to_have_count(1, timeout=SOON_MS)
    assert len([one for one in opened if not one.is_closed()]) == 1


async def test_readings_that_come_late_are_not_shown_as_another_sites(
    centre: Centre, page: Page
) -> None:
    """Sites of one company call their channels alike."""
    text = SITE_FILE.read_text(encoding="utf-8").replace(f"site: {SITE}", "site: a-mine", 1)
    plan = plan_of(read_site_text(text, "a-mine.yaml"))
    await register_site(centre.connection, plan, text, START_US)
    await centre.flush(scans=[centre.scan("cracks", [4.0])])
    held: asyncio.Queue[Route] = asyncio.Queue()
    await sign_in(page, centre)
    await page.goto(f"{centre.url}/#/structures/east-slope")
    site = page.get_by_label("Site", exact=True)
    crack = page.locator('[data-testid="channel-row"][data-channel="crack-1-opening"]')

    await site.select_option("a-mine", timeout=SOON_MS)
    await page.route(f"**/sites/{SITE}/latest", held.put_nowait)
    await site.select_option(SITE)
    await (await held.get()).continue_()
    late = await held.get()  # Asked for when the line opened.
    await expect(crack).to_have_attribute("data-quality", "good", timeout=SOON_MS)
    await site.select_option("a-mine")
    await expect(crack).not_to_have_attribute("data-quality", "good", timeout=SOON_MS)
    async with page.expect_response(f"**/sites/{SITE}/latest") as answer:
        await late.continue_()
    await (await answer.value).finished()
    await page.evaluate(
        "fetch('/api/v1/clock').then((answer) => answer.text())"
    )  # It has been read.
    await expect(crack).not_to_have_attribute("data-quality", "good")


async def test_after_a_restoration_the_page_shows_what_the_database_holds(
    centre: Centre, page: Page
) -> None:
    await centre.flush(*raises(2))
    await sign_in(page, centre)
    await expect(page.get_by_test_id("alarm-row")).to_have_count(2, timeout=SOON_MS)
    await expect(page.get_by_test_id("connection-state")).to_have_attribute(
        "data-state", "connected", timeout=SOON_MS
    )
    async with centre.connection.transaction():
        await centre.connection.execute("truncate journal_instant, journal, journal_head, alarm")
        await centre.flush_within(centre.connection, raises(3, begin=10))
    row = page.get_by_test_id("alarm-row")
    await expect(row.and_(page.locator('[data-occurrence^="crack-10/"]'))).to_have_count(
        1, timeout=SOON_MS
    )
    await expect(row).to_have_count(3, timeout=SOON_MS)
    await expect(row.and_(page.locator('[data-occurrence^="crack-0/"]'))).to_have_count(0)


async def test_who_cannot_be_signed_out_yet_is_told(centre: Centre, page: Page) -> None:
    async def cut(route: Route) -> None:
        if route.request.method == "DELETE":
            await route.abort()
        else:
            await route.continue_()

    await sign_in(page, centre)
    await page.route("**/session", cut)
    await page.get_by_test_id("sign-out").click()
    told = page.get_by_test_id("signing-out")
    await expect(told).to_contain_text("not signed out yet", timeout=SOON_MS)
    assert await page.context.cookies()
    await page.unroute("**/session")
    await expect(told).to_have_count(0, timeout=SOON_MS)
    assert await page.context.cookies() == []


async def test_the_notice_of_a_red_stays_until_somebody_answers_for_it(
    centre: Centre, page: Page
) -> None:
    await sign_in(page, centre)
    await expect(page.get_by_test_id("connection-state")).to_have_attribute(
        "data-state", "connected", timeout=SOON_MS
    )
    await page.goto(f"{centre.url}/#/structures/north-dam")
    await centre.flush(transition(Change.RAISE, "red", at_s=0, of="crack-1-opening"))
    notice, said = page.get_by_test_id("notice"), page.get_by_test_id("announcement")
    await expect(notice.locator(".badge")).to_have_text("Red", timeout=SOON_MS)
    for kind, words in ((AlarmKind.TECHNICAL, "Technical fault"), (AlarmKind.PROCESS, "Blue")):
        await centre.flush(
            transition(Change.RAISE, "blue", at_s=1, of="p-101-pressure", rule=kind, kind=kind)
        )
        await expect(said).to_contain_text(words, timeout=SOON_MS)
        await expect(notice.locator(".badge")).to_have_text("Red")
    await centre.flush(
        transition(
            Change.ACKNOWLEDGE, "red", at_s=2, of="crack-1-opening", state=AlarmState.ACKNOWLEDGED
        )
    )
    await expect(notice.locator(".badge")).to_have_text("Blue", timeout=SOON_MS)


async def test_a_channels_level_is_told_in_words_to_those_who_listen(
    centre: Centre, page: Page
) -> None:
    await centre.flush(transition(Change.RAISE, "red", at_s=0, of="crack-1-opening"))
    await sign_in(page, centre)
    card = page.locator('[data-testid="structure-card"][data-structure="east-slope"]')
    await expect(card.get_by_role("link", name=RED)).to_have_count(1, timeout=SOON_MS)
    await page.goto(f"{centre.url}/#/structures/east-slope")
    row = page.locator('[data-testid="channel-row"][data-channel="crack-1-opening"]')
    await expect(row.get_by_role("link", name=RED)).to_have_count(1)


async def test_an_address_that_names_nothing_is_no_blank_page(centre: Centre, page: Page) -> None:
    await sign_in(page, centre)
    await expect(page.get_by_test_id("structure-card").first).to_be_visible(timeout=SOON_MS)
    await page.goto(f"{centre.url}/#/structures/%")
    await expect(page.get_by_text("There is no such structure.")).to_be_visible(timeout=SOON_MS)
    await page.reload()
    await expect(page.get_by_text("There is no such structure.")).to_be_visible(timeout=SOON_MS)
