"""The script that draws the pages' pictures draws them again as they are."""

from xml.etree import ElementTree as ET

import pytest
from method_pictures import PICTURES, REAL, SIMULATED
from real_data import real_data_folder


@pytest.mark.parametrize("name", sorted(SIMULATED))
def test_a_picture_is_drawn_again_as_it_is(name: str) -> None:
    drawn = SIMULATED[name]().svg()
    assert ET.fromstring(drawn).findtext("{http://www.w3.org/2000/svg}title")
    assert (PICTURES / f"{name}.svg").read_text(encoding="utf-8") == drawn


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_picture_of_a_real_series_is_drawn_again_as_it_is(name: str) -> None:
    real_data_folder()
    assert (PICTURES / f"{name}.svg").read_text(encoding="utf-8") == REAL[name]().svg()


@pytest.mark.parametrize("name", sorted(SIMULATED | REAL))
def test_every_picture_stands_on_its_page(name: str) -> None:
    for ending in (".md", ".zh-CN.md"):
        page = PICTURES.parent / f"{name}{ending}"
        assert f"(pictures/{name}.svg)" in page.read_text(encoding="utf-8")
