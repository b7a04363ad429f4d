"""The script that draws the pages' pictures still draws them."""

from xml.etree import ElementTree as ET

import pytest
from trend_pictures import PICTURES, REAL, SIMULATED


@pytest.mark.parametrize("name", ["theil-sen", "hydrostatic", "mahalanobis"])
def test_a_picture_is_drawn(name: str) -> None:
    root = ET.fromstring(SIMULATED[name]().svg())
    assert root.findtext("{http://www.w3.org/2000/svg}title")
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) > 20


def test_every_picture_stands_beside_its_page_and_no_other() -> None:
    drawn = {path.stem for path in PICTURES.glob("*.svg")}
    assert set(SIMULATED | REAL) <= drawn
    for name in SIMULATED | REAL:
        for ending in (".md", ".zh-CN.md"):
            page = PICTURES.parent / f"{name}{ending}"
            assert f"(pictures/{name}.svg)" in page.read_text(encoding="utf-8")
