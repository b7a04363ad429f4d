"""Rules about what MQTT devices publish: topics, paths of fields, and instants."""

from collections.abc import Iterator

from telemetry.json_values import PathError, path_of
from telemetry.site import Channel, ScanGroup, Site
from telemetry.site_rules.places import Finding, GroupPlace, Loc, groups_of
from telemetry.sources import JsonMessage, SparkplugMessage

PATHS = 'like pressure, data.0.p, or /data/0/p.kpa; "." for a message that is a number itself'


def message_findings(site: Site) -> Iterator[Finding]:
    """Find topics that no broker knows, paths that no field has, and lists without instants."""
    for place in groups_of(site):
        if not isinstance(place.group, ScanGroup):
            continue
        message = place.group.message
        loc = (*place.loc, "message")
        if isinstance(message, JsonMessage):
            yield from json_findings(loc, message)
            yield from _field_findings(place)
        elif isinstance(message, SparkplugMessage):
            yield from _sparkplug_findings(loc, message)


def is_topic_filter(topic: str) -> bool:
    """Tell whether a broker takes this to subscribe to: MQTT 3.1.1, clause 4.7."""
    levels = topic.split("/")
    wild_at_end = all("#" not in level for level in levels[:-1]) and (
        levels[-1] == "#" or "#" not in levels[-1]
    )
    return wild_at_end and "\0" not in topic and all("+" not in one or one == "+" for one in levels)


def json_findings(loc: Loc, message: JsonMessage) -> Iterator[Finding]:
    """Find what is wrong with a JSON message by itself."""
    if not is_topic_filter(message.topic):
        allowed = "+ for a whole level, # for all levels at the end"
        yield Finding((*loc, "topic"), f"{message.topic} is no topic", allowed)
    for key in ("rows", "time"):
        text = getattr(message, key)
        if text is not None:
            yield from path_findings((*loc, key), text)
    if message.rows is not None and message.time is None:
        found = "a list of scans needs the instant of each"
        yield Finding((*loc, "rows"), found, "with the key time: a field of each row")
    if message.time is None and message.utc_offset_h is not None:
        found = "the offset is without effect: the message has no time"
        yield Finding((*loc, "utc_offset_h"), found, "together with the key time")
    if message.utc_offset_h is not None and message.time_format != "iso8601":
        found = "the offset is without effect: such instants are in UTC"
        yield Finding((*loc, "utc_offset_h"), found, "with time_format iso8601 only")


def _field_findings(place: GroupPlace) -> Iterator[Finding]:
    for one in place.channels():
        if isinstance(one.channel, Channel) and one.channel.field is not None:
            yield from path_findings((*one.loc, "field"), one.channel.field)


def path_findings(loc: Loc, text: str) -> Iterator[Finding]:
    """Find a path that no field can have."""
    try:
        path_of(text)
    except PathError as error:
        yield Finding(loc, str(error), PATHS)


def _sparkplug_findings(loc: Loc, message: SparkplugMessage) -> Iterator[Finding]:
    # Sparkplug 3.0, tck-id-topic-structure-namespace-valid-group-id and its neighbours.
    for key in ("group", "node", "device"):
        name = getattr(message, key)
        if name is not None and any(letter in "/+#" for letter in name):
            found = f"the {key} id {name} can be no part of a topic"
            yield Finding((*loc, key), found, "an id without / + and #")
