"""Device profiles: register maps that come with Groundwatch, and channels filled from them.

A scan group names a profile, and a channel one of its points. What the channel does not say is
taken from the point before anything else looks at the file; so all rules hold for it. A channel
that names its own quantity, unit or conversion takes only the register and its electrical range
from the point: the rest of the point is in another unit.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, Final

from telemetry.complaint import Complaint, listed
from telemetry.register import BIT_TABLES, WORDS
from telemetry.site import Profile
from telemetry.yaml_tree import Entry, Mark, Node, YamlError, id_of, read_yaml

OWN_MEANING: Final = ("quantity", "unit", "conversion")
ALWAYS_TAKEN: Final = ("register", "electrical_range")
WITH_MEANING: Final = ("name", "quantity", "unit", "conversion", "resolution", "range", "states")
NEAR_MAX: Final = 6
FILLED_MAX: Final = 300_000  # Some 20,000 channels; a file cannot make itself endless.


class UnknownProfileError(LookupError):
    """No such profile comes with Groundwatch."""


@cache
def shipped_profiles() -> tuple[str, ...]:
    """Name the profiles that come with Groundwatch."""
    files = resources.files("telemetry").joinpath("profiles").iterdir()
    return tuple(sorted(file.name[:-5] for file in files if file.name.endswith(".yaml")))


def profile_list() -> list[str]:
    """Describe every shipped profile in a line."""
    width = max(map(len, shipped_profiles()))
    found = [(name, shipped_profile(name)) for name in shipped_profiles()]
    return [f"{name:{width}}  {one.maker}: {one.model}" for name, one in found]


def profile_text(name: str) -> str:
    """Read the file of a shipped profile."""
    if name not in shipped_profiles():
        near = get_close_matches(name, shipped_profiles(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UnknownProfileError(f"No profile is called {name}.{hint}")
    file = resources.files("telemetry").joinpath("profiles", f"{name}.yaml")
    return file.read_text(encoding="utf-8")


@cache
def shipped_profile(name: str) -> Profile:
    """Read a shipped profile, its registers as complete as its channels get them."""
    node = _shipped(name)
    plain = node.plain()
    for n, point in enumerate(_items(_child(node, "points"))):
        register = _child(point, "register")
        if register is not None:
            plain["points"][n]["register"] = _register_of(node, register, node.mark).plain()
    return Profile.model_validate(plain)


def fill_from_profiles(root: Node, source_name: str) -> list[Complaint]:
    """Fill every channel that names a point; return what cannot be filled.

    Raises `YamlError` when a small file would make itself a huge one.
    """
    own = {id_of(node): node for node in _items(_child(root, "profiles"))}
    complaints: list[Complaint] = []
    filled = 0
    for group in _scan_groups(root):
        name = _word(_child(group, "profile"))
        profile = own.get(name) or (_shipped(name) if name in shipped_profiles() else None)
        if name is not None and profile is None:
            known = sorted({*shipped_profiles(), *(one for one in own if one)})
            near = get_close_matches(name, known, n=NEAR_MAX)
            allowed = ", ".join(near) or "a profile of the site, or of `groundwatch profiles`"
            node = _child(group, "profile")
            assert node is not None
            complaints.append(
                _complaint(
                    source_name, node, "profile", f"no profile is called {name[:60]}", allowed
                )
            )
        points = {id_of(point): point for point in _items(_child(profile, "points"))}
        sizes = {key: _size(point) for key, point in points.items()}
        for channel in _items(_child(group, "channels")):
            filled += sizes.get(_word(_child(channel, "point")), 0)
            if filled > FILLED_MAX:
                message = f"profiles would fill in more than {FILLED_MAX} values"
                raise YamlError([_complaint(source_name, channel, "point", message, "fewer")])
            complaints += _fill_channel(channel, profile, points, source_name, name)
    return complaints


def profiles_used(root: Node) -> list[str]:
    """Name the shipped profiles that a site's groups name and that the site does not carry."""
    own = {id_of(node) for node in _items(_child(root, "profiles"))}
    named = {_word(_child(group, "profile")) for group in _scan_groups(root)}
    return sorted(one for one in named if one in shipped_profiles() and one not in own)


def with_profiles(root: Node) -> dict[str, Any]:
    """Lay a site out plainly, with every profile that it needs in itself."""
    plain: dict[str, Any] = root.plain()
    own = [one.plain() for one in _items(_child(root, "profiles"))]
    shipped = [_shipped(name).plain() for name in profiles_used(root)]
    return {**plain, "profiles": [*own, *shipped]}


def _fill_channel(
    channel: Node,
    profile: Node | None,
    points: dict[str | None, Node],
    source_name: str,
    profile_name: str | None,
) -> Iterator[Complaint]:
    node = _child(channel, "point")
    if node is None or not isinstance(channel.content, dict):
        return
    point = points.get(_word(node))
    if point is None or profile is None or not isinstance(point.content, dict):
        if profile is not None:
            message = f"the profile {profile_name} has no point {node.content}"
            allowed = listed([one for one in points if one])
            yield _complaint(source_name, node, "point", message, allowed)
        elif profile_name is None:
            message = "the group names no profile that a point could be of"
            yield _complaint(source_name, node, "point", message, "with the key profile")
        return
    has_own_meaning = any(_child(channel, key) is not None for key in OWN_MEANING)
    keys = ALWAYS_TAKEN if has_own_meaning else (*ALWAYS_TAKEN, *WITH_MEANING)
    for key in keys:
        value = _child(point, key)
        if value is None or _child(channel, key) is not None:
            continue
        taken = _copied(value, node.mark)
        if key == "register":
            taken = _register_of(profile, value, node.mark)
        channel.content[key] = Entry(node.mark, taken)


def _register_of(profile: Node, register: Node, mark: Mark) -> Node:
    """Copy a register, with the profile's table and byte order where it says nothing itself."""
    copy = _copied(register, mark)
    if not isinstance(copy.content, dict):
        return copy
    table = _child(profile, "table")
    if table is not None and not {"table", "reference"} & set(copy.content):
        copy.content["table"] = Entry(mark, _copied(table, mark))
    order = _child(profile, "byte_order")
    type_ = _word(_child(copy, "type")) or "uint16"
    is_bit = "bit" in copy.content or _word(_child(copy, "table")) in BIT_TABLES
    if order is not None and not is_bit and WORDS.get(type_, 1) > 1:
        copy.content.setdefault("byte_order", Entry(mark, _copied(order, mark)))
    return copy


@cache
def _shipped(name: str) -> Node:
    """Read a shipped profile once: every group of a site may name it. Nobody changes it."""
    root, complaints = read_yaml(profile_text(name), f"{name}.yaml")
    assert not complaints, complaints
    return root


def _scan_groups(root: Node) -> Iterator[Node]:
    for structure in _items(_child(root, "structures")):
        for station in _items(_child(structure, "stations")):
            yield from _items(_child(station, "scan_groups"))


def _child(node: Node | None, key: str) -> Node | None:
    if node is None or not isinstance(node.content, dict) or key not in node.content:
        return None
    child = node.content[key].node
    return None if child.content is None else child  # Nothing written is nothing said.


def _items(node: Node | None) -> list[Node]:
    return node.content if node is not None and isinstance(node.content, list) else []


def _word(node: Node | None) -> str | None:
    return node.content if node is not None and isinstance(node.content, str) else None


def _copied(node: Node, mark: Mark) -> Node:
    """Copy a value; complaints about the copy point to where it was asked for."""
    if isinstance(node.content, dict):
        entries = {
            key: Entry(mark, _copied(entry.node, mark)) for key, entry in node.content.items()
        }
        return Node(mark, entries)
    if isinstance(node.content, list):
        return Node(mark, [_copied(item, mark) for item in node.content])
    return Node(mark, node.content)


def _size(node: Node) -> int:
    """Count the values of a part."""
    if isinstance(node.content, dict):
        return 1 + sum(_size(entry.node) for entry in node.content.values())
    return 1 + sum(map(_size, node.content)) if isinstance(node.content, list) else 1


def _complaint(source_name: str, node: Node, where: str, message: str, allowed: str) -> Complaint:
    return Complaint(source_name, *node.mark, where, message, allowed)
