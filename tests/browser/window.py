"""A real Chromium for tests of the page: it calls nobody but the centre, and faults are noted."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, async_playwright

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
# Chromium's sandbox does not work for root; the rest keeps it from calling home.
ARGUMENTS = [
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
SOON_MS = 20_000


def need_chromium() -> None:
    """Skip the test where there is no Chromium; where there has to be one, fail."""
    if CHROMIUM is None:
        message = "no Chromium found: install it (Debian: apt install chromium) for this test"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@asynccontextmanager
async def fresh_window(centre_url: str) -> AsyncIterator[Page]:
    """A fresh browser window; a request to anywhere but the centre fails the test."""
    strangers: list[str] = []
    problems: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        window = await browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
        window.on("request", lambda request: strangers.append(request.url))
        window.on("pageerror", lambda error: problems.append(str(error)))
        yield window
        await browser.close()
    own = (centre_url, centre_url.replace("http", "ws"))
    assert [url for url in strangers if not url.startswith((*own, "data:"))] == []
    assert problems == []
