"""Channels completed from templates, before anything else looks at the file.

So all rules hold for what a channel gets, and complaints about it point to the line that asked for
it: of the site's own template, or of its `use`. The channel's own words win, key by key. Of two
templates that fit a channel the upper one wins, key by key. See decision 22.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, Final

from telemetry.complaint import Complaint, listed
from telemetry.quantities import QUANTITIES
from telemetry.template_values import Unanswered, Values, resolved, size_of
from telemetry.templates import USE, Template
from telemetry.yaml_tree import Entry, Mark, Node, YamlError, id_of, read_yaml

LISTS: Final = ("charts", "rate_limits", "trends")
MAPPINGS: Final = ("screen", "drift")  # Completed key by key.
FILLED_MAX: Final = 300_000  # As of profiles: a file cannot make itself endless.
REFUSES: Final = "none"


class UnknownTemplateError(LookupError):
    """No such template comes with Groundwatch."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a channel has got of a template, or why it has not."""

    channel: str
    template: str
    key: str  # Of the channel: `trends`.
    left_out: str | None = None  # Why: a sentence.


@dataclass(slots=True)
class Filling:
    """What completing the channels of a file brought."""

    complaints: list[Complaint] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)  # In use, in the file's order.
    filled: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _InUse:
    """A template that is on, and what its parameters are."""

    id: str
    node: Node
    mark: Mark | None  # Where copies stand; None: where the template itself does.
    given: dict[str, Node]


@cache
def shipped_templates() -> tuple[str, ...]:
    """Name the templates that come with Groundwatch: the default templates."""
    files = resources.files("telemetry").joinpath("shipped_templates").iterdir()
    return tuple(sorted(file.name[:-5] for file in files if file.name.endswith(".yaml")))


def template_text(name: str) -> str:
    """Read the file of a default template."""
    if name not in shipped_templates():
        near = get_close_matches(name, shipped_templates(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UnknownTemplateError(f"No template is called {name}.{hint}")
    file = resources.files("telemetry").joinpath("shipped_templates", f"{name}.yaml")
    return file.read_text(encoding="utf-8")


@cache
def shipped_template(name: str) -> Template:
    """Read a default template."""
    return Template.model_validate(_shipped(name).plain())


def template_list() -> list[str]:
    """Describe every default template in a line."""
    width = max(map(len, shipped_templates()))
    found = [(name, shipped_template(name)) for name in shipped_templates()]
    return [f"{name:{width}}  {one.name.en if one.name else ''}" for name, one in found]


def fill_from_templates(root: Node, source_name: str) -> Filling:
    """Complete every channel that a template fits.

    Raises `YamlError` when a small file would make itself a huge one.
    """
    filling = Filling()
    in_use = list(_in_use(root, source_name, filling.complaints))
    filling.templates = [one.id for one in in_use]
    for place in _channels(root):
        some = _wanted(place.channel, in_use, source_name, filling.complaints)
        for one in some:
            if _fits(one.node, place):
                _complete(place, one, filling)
        if filling.filled > FILLED_MAX:
            message = f"templates would fill in more than {FILLED_MAX} values"
            raise YamlError([_complaint(source_name, place.channel, "templates", message, "fewer")])
        for key in MAPPINGS:
            _drop_if_never_asked(place.channel, key)
    return filling


def templates_used(root: Node) -> list[str]:
    """Name the default templates that a site names."""
    return [
        name
        for one in _items(_child(root, "templates"))
        if (name := _word(_child(one, USE))) in shipped_templates()
    ]


def with_templates(plain: dict[str, Any]) -> dict[str, Any]:
    """Lay a site out with every default template that it uses in itself."""
    if not plain.get("templates"):
        return plain
    return {**plain, "templates": [_written_out(one) for one in plain["templates"]]}


def _written_out(one: dict[str, Any]) -> dict[str, Any]:
    name = one.get(USE)
    if name not in shipped_templates():
        return one
    whole: dict[str, Any] = _shipped(name).plain()
    for key, value in (one.get("with") or {}).items():
        whole["asks"][key]["value"] = value
    return whole


def _in_use(root: Node, source_name: str, complaints: list[Complaint]) -> Iterator[_InUse]:
    seen: set[str] = set()
    for one in _items(_child(root, "templates")):
        used = _child(one, USE)
        name = _word(used) if used is not None else id_of(one)
        if name is None:
            continue  # The models say what is wrong with it.
        if name in seen:
            complaints.append(
                _complaint(source_name, one, "templates", f"{name} stands here again", "each once")
            )
            continue
        seen.add(name)
        if used is not None and name not in shipped_templates():
            near = get_close_matches(name, shipped_templates(), n=3)
            allowed = ", ".join(near) or "one of `groundwatch templates`"
            message = f"no template is called {name[:60]}"
            complaints.append(_complaint(source_name, used, "templates", message, allowed))
            continue
        node = one if used is None else _shipped(name)
        given = _given(one)
        complaints += _use_complaints(one, node, given, source_name)
        yield _InUse(name, node, None if used is None else used.mark, given)


def _given(use: Node) -> dict[str, Node]:
    content = getattr(_child(use, "with"), "content", None)
    return {key: entry.node for key, entry in content.items()} if isinstance(content, dict) else {}


def _use_complaints(
    use: Node, template: Node, given: dict[str, Node], source_name: str
) -> Iterator[Complaint]:
    asks = getattr(_child(template, "asks"), "content", None)
    known = list(asks) if isinstance(asks, dict) else []
    for key, node in given.items():
        if key not in known:
            allowed = listed(known) or "none: it asks for nothing"
            message = f"the template asks for no {key[:60]}"
            yield _complaint(source_name, node, "templates.with", message, allowed)
    for quantity in _words(_child(_child(use, "applies_to"), "quantity")):
        if quantity not in QUANTITIES:
            near = get_close_matches(quantity, list(QUANTITIES), n=3)
            message = f"no quantity is called {quantity[:60]}"
            yield _complaint(
                source_name, use, "templates.applies_to", message, ", ".join(near) or "a quantity"
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A channel, and what templates look at beside it."""

    channel: Node
    instrument_type: str | None
    structure_kind: str | None
    period: Node | None


def _channels(root: Node) -> Iterator[_Place]:
    for structure in _items(_child(root, "structures")):
        kind = _word(_child(structure, "kind"))
        for station in _items(_child(structure, "stations")):
            types = {
                id_of(one): _word(_child(one, "type"))
                for one in _items(_child(station, "instruments"))
            }
            for groups in ("scan_groups", "calculated_groups"):
                for group in _items(_child(station, groups)):
                    period = _child(group, "period_s")
                    for channel in _items(_child(group, "channels")):
                        type_ = types.get(_word(_child(channel, "instrument")))
                        yield _Place(channel, type_, kind, period)


def _wanted(
    channel: Node, in_use: list[_InUse], source_name: str, complaints: list[Complaint]
) -> list[_InUse]:
    """Choose what a channel takes: all, none, or those that it names."""
    node = _child(channel, "templates")
    if node is None:
        return in_use
    if node.content == REFUSES:
        node.content = []  # What the models know it as.
    if not isinstance(node.content, list):
        return []
    names = [_word(one) for one in node.content]
    known = {one.id for one in in_use}
    for one, name in zip(node.content, names, strict=True):
        if name is not None and name not in known:
            message = f"the site uses no template {name[:60]}"
            allowed = listed(sorted(known)) or "none: the site uses no templates"
            complaints.append(_complaint(source_name, one, "templates", message, allowed))
    return [one for one in in_use if one.id in names]


def _fits(template: Node, place: _Place) -> bool:
    applies = _child(template, "applies_to")
    quantity = _word(_child(place.channel, "quantity"))
    asked = {
        "quantity": quantity,
        "instrument_type": place.instrument_type,
        "structure_kind": place.structure_kind,
    }
    if quantity is None or _child(applies, "quantity") is None:
        return False
    if _child(place.channel, "states") is not None:
        return False
    return all(
        value in _words(_child(applies, key))
        for key, value in asked.items()
        if _child(applies, key) is not None
    )


def _complete(place: _Place, template: _InUse, filling: Filling) -> None:
    gives = _child(template.node, "gives")
    values = Values(
        given=template.given,
        asks=_child(template.node, "asks"),
        period=place.period,
        resolution=_child(place.channel, "resolution"),
    )
    for key in (*MAPPINGS, *LISTS):
        part = _child(gives, key)
        if part is None:
            continue
        if key in LISTS:
            _complete_list(place.channel, key, part, template, values, filling)
        else:
            _complete_mapping(place.channel, key, part, template, values, filling)


def _complete_list(
    channel: Node, key: str, part: Node, template: _InUse, values: Values, filling: Filling
) -> None:
    assert isinstance(channel.content, dict)
    if key in channel.content:  # Also an empty list, and one from an upper template.
        return
    name = id_of(channel) or "?"
    items: list[Node] = []
    for one in _items(part):
        try:
            items.append(resolved(one, values, template.mark))
        except Unanswered as missing:
            method = _word(_child(one, "method")) or key
            why = f"{method} {missing}"
            filling.taken.append(Taken(name, template.id, key, why))
    if items:
        mark = template.mark or part.mark
        channel.content[key] = Entry(mark, Node(mark, items))
        filling.taken.append(Taken(name, template.id, key))
        filling.filled += sum(map(size_of, items))


def _complete_mapping(
    channel: Node, key: str, part: Node, template: _InUse, values: Values, filling: Filling
) -> None:
    assert isinstance(channel.content, dict)
    name = id_of(channel) or "?"
    own = _child(channel, key)
    if key == "drift" and _child(own, "against") is None:
        return  # Only the mine knows which instruments say the same.
    if own is None:
        if key in channel.content:
            return
        own = Node(template.mark or part.mark, {})
        channel.content[key] = Entry(own.mark, own)
    if not isinstance(own.content, dict) or not isinstance(part.content, dict):
        return
    for word, entry in part.content.items():
        if word in own.content:
            continue
        try:
            node = resolved(entry.node, values, template.mark)
        except Unanswered as missing:
            filling.taken.append(Taken(name, template.id, key, f"{word} {missing}"))
            continue
        own.content[word] = Entry(template.mark or entry.key_mark, node)
        filling.taken.append(Taken(name, template.id, f"{key}.{word}"))
        filling.filled += size_of(node)


def _drop_if_never_asked(channel: Node, key: str) -> None:
    """Take a mapping away into which nothing came."""
    if isinstance(channel.content, dict) and key in channel.content:
        node = channel.content[key].node
        if node.content == {}:
            del channel.content[key]


@cache
def _shipped(name: str) -> Node:
    """Read a default template once: every site may use it. Nobody changes it."""
    root, complaints = read_yaml(template_text(name), f"{name}.yaml")
    assert not complaints, complaints
    return root


def _child(node: Node | None, key: str) -> Node | None:
    if node is None or not isinstance(node.content, dict) or key not in node.content:
        return None
    child = node.content[key].node
    return None if child.content is None else child  # Nothing written is nothing said.


def _items(node: Node | None) -> list[Node]:
    return node.content if node is not None and isinstance(node.content, list) else []


def _word(node: Node | None) -> str | None:
    return node.content if node is not None and isinstance(node.content, str) else None


def _words(node: Node | None) -> list[str]:
    """Read one word, or a list of them."""
    one = _word(node)
    return [one] if one is not None else [word for item in _items(node) if (word := _word(item))]


def _complaint(source_name: str, node: Node, where: str, message: str, allowed: str) -> Complaint:
    return Complaint(source_name, *node.mark, where, message, allowed)
