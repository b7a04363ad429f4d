"""Every link in a document leads somewhere: to a file that exists, and to a heading in it."""

import re
from pathlib import Path

import pytest
from house.our_files import ROOT, name_of

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
PATH = re.compile(r"`([a-z_]+/[\w./@-]+\.(?:py|toml|yaml|conf|env|md|sh|sql|ts|tsx))`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors_of(path: Path) -> set[str]:
    """Headings as a link names them: small letters, hyphens for spaces, no punctuation.

    >>> sorted({re.sub(r"[^\\w\\- ]", "", "Levels · 等级?".lower()).replace(" ", "-")})
    ['levels--等级']
    """
    headings = HEADING.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def leads_somewhere(document: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = document if not name else (document.parent / name).resolve()
    return target.exists() and (not anchor or anchor in anchors_of(target))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [one for one in links if not leads_somewhere(document, one)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_files_that_are_named_exist(document: Path) -> None:
    named = PATH.findall(document.read_text(encoding="utf-8"))
    assert [one for one in named if not (ROOT / one).exists()] == []


def test_a_chinese_page_leads_to_chinese_pages_where_there_are_some() -> None:
    def in_english(document: Path) -> list[str]:
        links = LINK.findall(document.read_text(encoding="utf-8"))[1:]  # The first: to English.
        names = [one for one in links if one.endswith(".md") and "zh-CN" not in one]
        return [
            one
            for one in names
            if (document.parent / one.replace(".md", ".zh-CN.md")).resolve().exists()
        ]

    chinese = [one for one in DOCUMENTS if one.name.endswith(".zh-CN.md")]
    assert len(chinese) >= 5
    assert {name_of(one): found for one in chinese if (found := in_english(one))} == {}
