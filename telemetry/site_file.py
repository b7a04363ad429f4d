"""Site files, read whole or refused whole, with a complaint for everything that is wrong.

A file passes three gates: it is YAML (`telemetry.yaml_tree`), its parts are what may stand
there (`telemetry.site`), and together they make sense (`telemetry.site_rules`). What fails a
gate is left out while the rest goes on to the next one, so that one reading finds all faults.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from telemetry.channel_templates import (
    Filling,
    fill_from_templates,
    templates_used,
    with_templates,
)
from telemetry.complaint import Complaint
from telemetry.device_profiles import fill_from_profiles, profiles_used, with_profiles
from telemetry.json_tree import read_json
from telemetry.part import Part
from telemetry.quantities import QUANTITIES, UNITS
from telemetry.shared_parts import share_limits
from telemetry.site import Site
from telemetry.site_rules import Finding, findings
from telemetry.site_wording import Loc, is_union_tag, message_of
from telemetry.yaml_tree import (
    BYTES_MAX,
    KeptItems,
    Mark,
    Node,
    YamlError,
    id_of,
    read_yaml,
)

Tree = tuple[Node, list[Complaint]]
Read = TypeVar("Read")

ROUNDS_MAX: Final = 8  # Leaving out a channel may empty its group, and so on up.

# Stand in for a broken first line of a file, so that the rest is looked at nevertheless.
_STAND_INS: Final[dict[str, Any]] = {
    "site": "unknown",
    "name": {"en": "unknown", "zh": "unknown"},
    "time_zone": "UTC",
    "began_at": "2000-01-01T00:00:00Z",
    "technical_level": "yellow",
}


class SiteFileError(ValueError):
    """The file describes no site that could be watched; nothing is started with it."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        """Carry every complaint, in the order of the lines."""
        self.complaints = sorted(set(complaints))
        super().__init__("\n".join(map(str, self.complaints)))


def read_site_file(path: Path | str) -> Site:
    """Read a site file; raise `SiteFileError` with everything that is wrong with it."""
    return read_site_text(text_of_site_file(path), str(path))


def text_of_site_file(path: Path | str) -> str:
    """Read what a site file says; raise `SiteFileError` when that is no text."""
    source_name = str(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(BYTES_MAX + 1)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise _refused(source_name, f"the file cannot be read: {error.strerror}", "") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _refused(source_name, "the file is not UTF-8 text", "UTF-8", line) from None


def read_site_text(text: str, source_name: str) -> Site:
    """Read the text of a site file; `source_name` is what complaints call it."""
    return _soon(text, source_name, lambda tree: _site_in(tree, source_name)[0])


def read_with_origins(path: Path | str) -> tuple[Site, Filling]:
    """Read a site file; return also what its channels have from templates."""
    source_name = str(path)
    return _site_in(_tree_of(text_of_site_file(path), source_name), source_name)


def read_and_keep(path: Path | str) -> tuple[Site, str]:
    """Read a site file; return also what to store of it, which is read again years later."""
    return keep_text(text_of_site_file(path), str(path))


def keep_text(text: str, source_name: str) -> tuple[Site, str]:
    """Read the text of a site file; return also one that means the same later.

    Profiles and templates that come with Groundwatch may change: of a site that names some, all of
    them are written out.
    """
    return _soon(text, source_name, lambda tree: _kept(tree, text, source_name))


def site_schema() -> dict[str, Any]:
    """The JSON Schema of site files, for editors; units are named, whole-file rules are not."""
    schema = Site.model_json_schema(by_alias=True)
    units = sorted({unit for units in UNITS.values() for unit in units})
    for part in ("Channel", "CalculatedChannel"):
        properties = schema["$defs"][part]["properties"]
        properties["quantity"] = {"enum": list(QUANTITIES), "title": "Quantity"}
        properties["unit"] = {"enum": units, "title": "Unit"}
    channel = schema["$defs"]["Channel"]  # One that names a point needs no more than that.
    from_point = [key for key in ("quantity", "unit") if key in channel["required"]]
    channel["required"] = [key for key in channel["required"] if key not in from_point]
    channel["anyOf"] = [{"required": ["point"]}, {"required": from_point}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Groundwatch site file",
        **{key: value for key, value in schema.items() if key != "title"},
    }


@dataclass(slots=True, eq=False)
class _Reading:
    """One reading of one file: what is broken is marked in the tree while it goes on."""

    source_name: str
    root: Node
    kept: KeptItems = field(default_factory=KeptItems)

    def outcome(self) -> tuple[Site | None, list[Complaint]]:
        """Collect what the models and the rules have to say, and the site if that is nothing."""
        stand_ins: dict[str, Any] = {}
        complaints: list[Complaint] = []
        missing_ids: set[str] = set()
        for attempt in range(ROUNDS_MAX):
            try:
                site = _validated(self.root, stand_ins)
            except ValidationError as error:
                errors = error.errors(include_url=False)
                if attempt == 0:  # Later errors come from what we have left out ourselves.
                    complaints = [self._said(one) for one in errors]
                broken = [_broken_part(self.root, one, self.kept) for one in errors]
                for one, node in zip(errors, broken, strict=True):
                    if one["loc"] and one["loc"][0] in _STAND_INS:
                        stand_ins[str(one["loc"][0])] = _STAND_INS[str(one["loc"][0])]
                    elif node is None:
                        return None, complaints
                    else:
                        node.left_out = True
                        missing_ids |= _ids_in(node)
                self.kept = KeptItems()
            else:
                found = [
                    one
                    for one in findings(site)
                    if one.refers_to not in missing_ids
                    and not _is_left_out(self.root, one, self.kept)
                ]
                return site, complaints + [self._found(one) for one in found]
        return None, complaints

    def _said(self, error: ErrorDetails) -> Complaint:
        message, allowed = message_of(error)
        loc = [*error["loc"]]
        if error["type"] == "union_tag_invalid":
            loc.append(str(error["ctx"]["discriminator"]).strip("'"))
        if error["type"] == "register" and error["ctx"]["key"] is not None:
            loc.append(error["ctx"]["key"])
        return self._complaint(loc, message, allowed, at_key=error["type"] == "extra_forbidden")

    def _found(self, finding: Finding) -> Complaint:
        return self._complaint(finding.loc, finding.message, finding.allowed, at_key=False)

    def _complaint(self, loc: Loc, message: str, allowed: str, *, at_key: bool) -> Complaint:
        mark, words = place_of(self.root, loc, self.kept, at_key=at_key)
        return Complaint(self.source_name, *mark, ".".join(words), message, allowed)


def _validated(root: Node, stand_ins: dict[str, Any]) -> Site:
    plain = root.plain()
    if stand_ins and isinstance(plain, dict):
        plain = {**plain, **stand_ins}
    # Through JSON, because only there strict means: a word is no number, but it may be a date.
    return Site.model_validate_json(json.dumps(plain), strict=True)


def place_of(
    root: Node, loc: Loc, kept: KeptItems, *, at_key: bool, model: type[Part] = Site
) -> tuple[Mark, list[str]]:
    """Find the line of a place, and name it with ids where list items have them."""
    node, mark, words = root, root.mark, []
    for n, word in enumerate(loc):
        if word == "[key]" or is_union_tag(loc[: n + 1], model):
            continue
        content = node.content
        if isinstance(content, dict) and str(word) in content:
            entry = content[str(word)]
            node, mark = entry.node, entry.key_mark if at_key else entry.node.mark
            words.append(str(word))
        elif isinstance(word, int) and (found := _item(node, word, kept)) is not None:
            number, node = found
            mark = node.mark
            words.append(id_of(node) or str(number))
        else:  # What is missing has no line: its parent's is the nearest.
            words.append(str(word))
            break
    return mark, words


def _item(node: Node, number: int, kept: KeptItems) -> tuple[int, Node] | None:
    return kept.find(node, number) if isinstance(node.content, list) else None


def _is_left_out(root: Node, finding: Finding, kept: KeptItems) -> bool:
    """Tell whether a key is missing only because we have left its broken value out ourselves."""
    node = root
    for word in finding.loc:
        content = node.content
        if isinstance(content, dict) and str(word) in content:
            node = content[str(word)].node
        elif isinstance(word, int) and (found := _item(node, word, kept)) is not None:
            node = found[1]
    return isinstance(node.content, dict) and finding.missing in node.content


def _broken_part(root: Node, error: ErrorDetails, kept: KeptItems) -> Node | None:
    """Find the smallest part that can be left out so that an error disappears."""
    loc, node, broken = error["loc"], root, None
    for n, word in enumerate(loc):
        if word == "[key]" or is_union_tag(loc[: n + 1]):
            continue
        content = node.content
        if isinstance(content, dict) and str(word) in content:
            node = content[str(word)].node
            if error["type"] == "extra_forbidden" and n == len(loc) - 1:
                broken = node
        elif isinstance(word, int) and (found := _item(node, word, kept)) is not None:
            node = found[1]
            if isinstance(node.content, dict) or error["type"] == "model_type":
                broken = node
        else:
            break
    return broken


def _ids_in(node: Node) -> set[str]:
    """Gather the ids of a part that is left out, which others may go on naming."""
    found, waiting = set(), [node]
    while waiting:
        content = waiting.pop().content
        if isinstance(content, list):
            waiting += content
        elif isinstance(content, dict):
            waiting += [entry.node for entry in content.values()]
            if "id" in content and isinstance(content["id"].node.content, str):
                found.add(content["id"].node.content)
    return found


def _soon(text: str, source_name: str, read: Callable[[Tree], Read]) -> Read:
    """Read JSON as such, where it is; whatever is wrong is found by the reader that knows lines."""
    root = read_json(text)
    if root is not None:
        with suppress(SiteFileError):
            return read((root, []))
    return read(_tree_of(text, source_name))


def _kept(tree: Tree, text: str, source_name: str) -> tuple[Site, str]:
    root, plain = tree[0], None
    if profiles_used(root) or templates_used(root):  # Asked before the tree is filled from them.
        plain = with_profiles(root)
    site, _ = _site_in(tree, source_name)
    if plain is None:
        return site, text
    return site, json.dumps(with_templates(plain), ensure_ascii=False, indent=1)


def _tree_of(text: str, source_name: str) -> Tree:
    try:
        return read_yaml(text, source_name)
    except YamlError as error:
        raise SiteFileError(error.complaints) from None


def _site_in(tree: Tree, source_name: str) -> tuple[Site, Filling]:
    root, complaints = tree
    try:
        complaints += fill_from_profiles(root, source_name)
        filling = fill_from_templates(root, source_name)  # Quantities may come from profiles.
    except YamlError as error:
        raise SiteFileError(error.complaints) from None
    site, found = _Reading(source_name, root).outcome()
    complaints += [*filling.complaints, *found]
    if complaints or site is None:
        raise SiteFileError(complaints)
    share_limits(site)
    return site, filling


def _refused(source_name: str, message: str, allowed: str, line: int = 0) -> SiteFileError:
    return SiteFileError([Complaint(source_name, line, 1 if line else 0, "", message, allowed)])
