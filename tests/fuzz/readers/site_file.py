"""Site files: a site with which everything can be started, or complaints by line."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.documents import as_json
from fuzz.target import Change, Target, check_sentence
from fuzz.yaml_lines import changed_yaml
from gateway_site import gateway_document
from ingest_site import site_document
from mqtt_plans import mqtt_group, mqtt_site

from alarms.engine import SiteEngine
from edge_agent.message_reading import JsonReader
from edge_agent.registers import RegisterMap
from edge_agent.sparkplug_node import SparkplugNode
from telemetry.complaint import Complaint
from telemetry.conversion import GroupConverter
from telemetry.logger_files.mapping import wanted_of
from telemetry.logger_files.reader import LoggerReader
from telemetry.plan import GroupPlan, SitePlan, plan_of
from telemetry.site import Channel, ScanGroup, Site
from telemetry.site_file import SiteFileError, read_site_text, self_contained
from telemetry.sources import JsonMessage, SparkplugMessage

TESTS = Path(__file__).parents[2]
FILES = sorted([*TESTS.glob("site_files/*.yaml"), *TESTS.glob("data/*-site.yaml")])
WORDS = (
    *("channels", "limits", "levels", "blue", "red", "high", "low", "kPa", "m", "linear", "state"),
    *("formula", "inputs", "conversion", "range", "states", "profile", "point", "register", "slot"),
    *("reference", "40001", "float32", "CDAB", "bit", "text", "no_value", "deadband", "on_delay_s"),
    *("rate_limits", "electrical_range", "vaisala-hmp", "humidity", "vibrating_wire_linear"),
    *("pond + toe", "p ** 9 ** 9", "(" * 300, "UTC", "tailings_dam", "gateway", "period_s"),
)


def read(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    try:
        site = read_site_text(text, "site.yaml")
    except SiteFileError as error:
        check_complaints(error.complaints, text, "site.yaml")
        return "refused"
    start(plan_of(site))
    again = Site.model_validate_json(site.model_dump_json(by_alias=True))
    assert again == site
    check_self_contained(text, site)
    return "accepted"


def check_self_contained(text: str, site: Site) -> None:
    """With all profiles in itself, a file says the same."""
    whole = read_site_text(self_contained(text, "site.yaml"), "again.yaml")
    assert whole.model_copy(update={"profiles": site.profiles}) == site


def check_complaints(complaints: list[Complaint], text: str, file: str) -> None:
    """Every complaint stands on one line, and names a place that the file has."""
    assert complaints, "refused without a complaint"
    lines = len(text.splitlines()) + 1
    for one in complaints:
        assert one.file == file
        assert 1 <= one.line <= lines, one
        assert one.column >= 1, one
        assert str(one).isprintable()
        check_sentence(one.message)


def start(plan: SitePlan) -> None:
    """Make of a site what the edge and the centre make of it when they start."""
    SiteEngine(plan)
    for group in plan.groups:
        GroupConverter(group)
        if isinstance(group.group, ScanGroup):
            start_group(group, group.group)


def start_group(plan: GroupPlan, group: ScanGroup) -> None:
    channels = [one.channel for one in plan.channels if isinstance(one.channel, Channel)]
    if isinstance(group.message, JsonMessage):
        JsonReader(plan)
    elif isinstance(group.message, SparkplugMessage):
        SparkplugNode(group.message.group, group.message.node, [plan])
    elif group.file is not None:
        wanted = [wanted_of(one, one.column) for one in channels if one.column is not None]
        assert len(wanted) == len(channels)
        LoggerReader("f", group.file, wanted)
    elif all(one.register_ is not None for one in channels):
        RegisterMap(plan)


def seeds() -> Iterator[bytes]:
    for document in (site_document(), gateway_document(), messages_document(), folder_document()):
        yield as_json(document)
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        yield text.encode()
        site = read_site_text(text, path.name)
        yield as_json(site.model_dump(mode="json", by_alias=True, exclude_none=True))
    yield b"[" * 300
    yield b"site: &a [*a]\n"


def messages_document() -> dict[str, Any]:
    """A site whose devices publish."""
    message = {"kind": "json", "topic": "dam/1", "rows": "a", "time": "t", "time_format": "unix_s"}
    node = {"kind": "sparkplug_b", "group": "g", "node": "n", "device": "d"}
    groups = [mqtt_group(["p", "q"], message), mqtt_group(["p"], node, name="own")]
    return mqtt_site(groups, {"username": "u", "client_id": "edge-1"})


def folder_document() -> dict[str, Any]:
    """A site whose loggers write files."""
    document = mqtt_site([mqtt_group(["p", "q"], {})], {})
    document["buses"] = [{"id": "bus", "edge": "edge", "folder": {"path": "/data"}}]
    (group,) = document["structures"][0]["stations"][0]["scan_groups"]
    del group["message"]
    for channel in group["channels"]:
        channel["column"] = channel.pop("field")
    group["file"] = {
        "pattern": "*.csv",
        "header_rows": 1,
        "names_row": 1,
        "time": {"columns": [0], "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
    }
    return document


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    return changed_yaml(data, chance, change, WORDS)


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("accepted", "refused"),
    words=tuple(word.encode() for word in WORDS),
    mutated=mutated,
    bytes_max=6_000,
    short_runs=20,
)
