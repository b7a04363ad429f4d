"""What slow rules say now, over the API: figures where there are some, and honest gaps."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_centre import SITE, SITE_FILE, Centre, running_centre
from ground import START_US

from historian.beliefs import TrendRow, write_trends

TRENDS = f"/api/v1/sites/{SITE}/trends"
WORDS = """
                trends:
                  - method: theil_sen
                    direction: high
                    window_s: 86400
                    levels: { yellow: 0.5, red: 2.0 }
                    source: "Design report, 5.3"
                  - { method: failure_time, bin_s: 900, levels: { red: 6 }, source: "Plan, 3.1" }
                limits:
"""


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    text = SITE_FILE.read_text(encoding="utf-8")
    with_trends = text.replace("\n                limits:\n", WORDS, 1)
    async with running_centre(postgres_dsn, tmp_path, site_text=with_trends) as running:
        yield running


async def test_each_rule_is_shown_with_its_figure_or_with_none(centre: Centre) -> None:
    channel = next(one for one in centre.plan.channels if one.channel.trends).key
    said = TrendRow(channel, "theil_sen_high_86400", START_US, 0.7, "m/h", 2)
    await write_trends(centre.connection, centre.ids.site_id, [said])

    async with centre.client(centre.viewer) as client:
        whole = (await client.get(TRENDS)).json()["trends"]
        own = (await client.get(TRENDS, params={"channel": channel})).json()["trends"]
        unknown = await client.get(TRENDS, params={"channel": "nobody"})

    assert whole == own
    robust, forecast = own
    assert (robust["figure"], robust["level"], robust["levels"]) == (
        0.7,
        2,
        {"yellow": 0.5, "red": 2.0},
    )
    assert robust["asked_at"] is not None
    assert (forecast["figure"], forecast["asked_at"], forecast["unit"]) == (None, None, "h")
    assert unknown.status_code == 404
    assert "nobody" in unknown.json()["error"]["message"]
