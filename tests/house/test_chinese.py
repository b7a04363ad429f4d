"""One Chinese word for one thing, as in the glossary: on the page, in the README, in the guides."""

import re
from pathlib import Path

import pytest
from house.our_files import ROOT, name_of

from telemetry.quality import Quality

GLOSSARY = ROOT / "docs" / "glossary.md"
WORDS = ROOT / "api" / "dashboard" / "src" / "words"
WRITTEN_IN_CHINESE = [
    WORDS / "zh.ts",
    *(path for path in (ROOT / "README.zh-CN.md", *ROOT.glob("docs/*.md")) if path != GLOSSARY),
    *ROOT.glob("docs/guide/*.zh-CN.md"),
    *ROOT.glob("docs/detectors/*.zh-CN.md"),
    *ROOT.glob("deploy/**/*.md"),
    *(ROOT / "simulators" / "scenarios").glob("*.yaml"),
]
# What other people call it, and what we do.
BANNED = {
    "边缘代理": "边缘采集器",
    "采集端": "边缘采集器",
    "监控中心": "监测中心",
    "数据中心": "监测中心",
    "测点通道": "测点",
    "传感器": "仪器",
    "阈值": "限值",
    "预警值": "限值",
    "触发延时": "报警延时",
    "返回延时": "解除延时",
    "恢复延时": "解除延时",
    "死区": "回差",
    "级别": "等级",
    "警报": "报警",
    "告警": "报警",
    "过程报警": "监测报警",
    "技术报警": "系统报警",
    "技术故障": "系统报警",
    "设备报警": "系统报警",
    "待发箱": "发件箱",
    "坏数据": "无效",
    "坏质量": "无效",
    "登记边缘": "注册",
    "证书机构": "证书颁发机构",
    "不良": "无效",
    "良好": "有效",
    "可疑": "存疑",
}


@pytest.mark.parametrize("path", WRITTEN_IN_CHINESE, ids=name_of)
def test_chinese_uses_the_words_of_the_glossary(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert {word: ours for word, ours in BANNED.items() if word in text} == {}


def test_the_words_that_we_use_instead_are_in_the_glossary() -> None:
    rows = re.findall(r"^\|[^|]*\|[^|]*\|([^|]*)\|", GLOSSARY.read_text("utf-8"), re.MULTILINE)
    known = {word.strip() for row in rows for word in re.split("[、（）]", row)}
    assert set(BANNED.values()) - known == set()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_quality_has_words_on_the_page(language: str) -> None:
    text = (WORDS / f"{language}.ts").read_text(encoding="utf-8")
    block = re.search(r"^  quality: \{\n(.*?)^  \}", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    said = set(re.findall(r"^    (\w+): \"[^\"]+\",$", block[1], re.MULTILINE))
    assert {quality.name.lower() for quality in Quality} - said == set()
