"""The picture of the page about voting is drawn, and stands in it."""

from xml.etree import ElementTree as ET

from trend_pictures import PICTURES
from vote_pictures import levels_of_a_slope


def test_the_picture_is_the_one_that_the_page_shows() -> None:
    drawn = levels_of_a_slope().svg()
    assert ET.fromstring(drawn).findtext("{http://www.w3.org/2000/svg}title")
    assert (PICTURES / "voting.svg").read_text(encoding="utf-8") == drawn
    for ending in ("md", "zh-CN.md"):
        page = (PICTURES.parent / f"voting.{ending}").read_text(encoding="utf-8")
        assert "(pictures/voting.svg)" in page
