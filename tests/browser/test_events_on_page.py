"""Events at the page, in a real Chromium: their plot, the newest, and what detectors say."""

import json
from pathlib import Path

import pytest
from api_centre import SITE, SITE_FILE, running_centre
from browser.window import SOON_MS, fresh_window, need_chromium
from event_plans import events, with_events
from ground import START_US
from playwright.async_api import expect
from ruamel.yaml import YAML

from historian.event_watch import EventWatchRow, write_event_watch
from historian.events import EventWrite, write_events

pytestmark = [pytest.mark.browser]
PAGE = Path(__file__).parents[2] / "api" / "dashboard" / "dist"
MINUTE_US = 60_000_000
RATE = {
    "method": "event_rate",
    "window_h": 24,
    "background_h": 240,
    "levels": {"yellow": 3},
    "source": "Rock mechanics plan, 7",
}


def mine_with_network() -> str:
    tree = YAML(typ="safe").load(SITE_FILE.read_text(encoding="utf-8"))
    tree["buses"].append({"id": "bus", "edge": "dam-edge", "mqtt": {"host": "127.0.0.1"}})
    name = {"en": "Microseismic network", "zh": "微震监测网"}
    return json.dumps(with_events(tree, {"detectors": [RATE], "name": name}), default=str)


async def test_a_structure_shows_what_happened_in_it(postgres_dsn: str, tmp_path: Path) -> None:
    need_chromium()
    ids = [f"e{n}" for n in range(40)]
    block = events(
        ids,
        [0.1 * (n % 25) - 1 for n in range(40)],
        at_us=[START_US - n * MINUTE_US for n in range(40)],
        site=SITE,
    )
    answers = [
        {"rule": "event_rate_24", "answer": "warming_up", "level": 0, "figure": None, "figures": {}}
    ]
    state = {"network": {"tick": 1, "answers": answers}}
    async with running_centre(
        postgres_dsn, tmp_path, page=PAGE, site_text=mine_with_network()
    ) as centre:
        write = EventWrite(1, 1, START_US, block, range(len(block)))
        async with centre.connection.transaction():
            await write_events(centre.connection, centre.ids.site_id, 1, [write])
            row = EventWatchRow(1, state)
            await write_event_watch(centre.connection, centre.ids.site_id, row, START_US)
        async with fresh_window(centre.url) as page:
            await page.request.post(f"{centre.url}/api/v1/session", data={"token": centre.viewer})
            await page.goto(f"{centre.url}/#/structures/north-dam")
            panel = page.get_by_test_id("events")
            await expect(panel).to_be_visible(timeout=SOON_MS)
            await expect(panel.get_by_test_id("event")).to_have_count(12)
            await expect(panel.get_by_role("img")).to_be_visible()
            await expect(panel.locator("[data-answer='warming_up']")).to_have_count(1)
            # A structure whose sources tell of nothing shows no panel.
            await page.goto(f"{centre.url}/#/structures/east-slope")
            await expect(page.get_by_test_id("structure-view")).to_be_visible()
            await expect(page.get_by_test_id("events")).to_have_count(0)
