"""The script that draws the pictures of the forecast's page still draws them."""

from xml.etree import ElementTree as ET

import pytest
from forecast_pictures import DRAWN, PICTURES


@pytest.mark.parametrize("name", ["time-of-failure", "time-of-failure-bursts"])
def test_a_picture_is_drawn(name: str) -> None:
    root = ET.fromstring(DRAWN[name]().svg())
    assert root.findtext("{http://www.w3.org/2000/svg}title")
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 10


def test_every_picture_is_shown_in_both_languages() -> None:
    for name in DRAWN:
        assert (PICTURES / f"{name}.svg").exists()
        for ending in (".md", ".zh-CN.md"):
            page = (PICTURES.parent / f"time-of-failure{ending}").read_text(encoding="utf-8")
            assert f"(pictures/{name}.svg)" in page
