"""What each channel ends up with, and from where: `groundwatch check FILE --show-rules`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from telemetry.channel_templates import Filling, Taken
from telemetry.limits import Limit
from telemetry.site import ChannelBase, Site
from telemetry.site_file import SiteFileError, read_with_origins
from telemetry.site_rules.places import channels_of
from telemetry.trends import AnyTrend

OWN: Final = "the channel"
LEVELS: Final = ("blue", "yellow", "orange", "red")


def shown_rules(paths: Sequence[Path]) -> list[str]:
    """List the rules of every channel of the files that are in order."""
    lines: list[str] = []
    for path in paths:
        try:
            site, filling = read_with_origins(path)
        except SiteFileError:
            continue  # `check_files` has said what is wrong.
        lines += _of_site(site, filling)
    return lines


def _of_site(site: Site, filling: Filling) -> Iterator[str]:
    taken: dict[str, list[Taken]] = defaultdict(list)
    for one in filling.taken:
        taken[one.channel].append(one)
    for place in channels_of(site):
        channel = place.channel
        origin = {one.key: one.template for one in taken[channel.id] if one.left_out is None}
        rules = list(_rules_of(channel))
        waiting = [one for one in taken[channel.id] if one.left_out is not None]
        if rules or waiting:
            yield f"{channel.id}:"
        for said, key in rules:
            yield f"  {said}  from {_named(origin.get(key))}"
        for one in waiting:
            yield f"  not asked: {one.left_out}  ({_named(one.template)})"
    fitting = {one.template for one in filling.taken}
    for template in filling.templates:
        if template not in fitting:
            yield f"no channel takes the template {template}"


def _named(template: str | None) -> str:
    return OWN if template is None else f"template {template}"


def _rules_of(channel: ChannelBase) -> Iterator[tuple[str, str]]:
    for key in ("limits", "rate_limits", "charts", "trends"):
        for rule in getattr(channel, key):
            yield _said(key, rule), key
    if channel.screen is not None:
        for name, screen in channel.screen:
            if screen is not None:
                yield f"screen {name}: {_words(screen.model_dump())}", f"screen.{name}"
    if channel.drift is not None:
        drift = channel.drift
        against = ", ".join(drift.against)
        words = f"drift against {against}: {drift.tolerance:g} within {drift.window_s:g} s"
        yield words, "drift.tolerance"


def _said(key: str, rule: Limit | AnyTrend) -> str:
    what = getattr(rule, "method", key.removesuffix("s").replace("_", " "))
    bounds = [
        f"{level} {bound:g}"
        for level in LEVELS
        if (bound := getattr(rule.levels, level)) is not None
    ]
    window = getattr(rule, "window_s", None)
    over = "" if window is None else f" over {window:g} s"
    return f"{what} {rule.direction}{over}: {', '.join(bounds)}"


def _words(words: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in words.items())
