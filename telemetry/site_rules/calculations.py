"""Rules about calculated channels: formulas that can be read, inputs that exist and end."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from telemetry.formula import FormulaError, formula_of, why_not_a_name
from telemetry.site import CalculatedChannel, Site
from telemetry.site_rules.places import ChannelPlace, Finding, Loc, channels_of


def calculation_findings(site: Site) -> Iterator[Finding]:
    """Find formulas that cannot be computed, and inputs that are missing, stale or circular."""
    places = {one.channel.id: one for one in channels_of(site)}
    for one in channels_of(site):
        if isinstance(one.channel, CalculatedChannel):
            yield from _formula_findings(one, one.channel)
            yield from _input_findings(one, one.channel, places)
    yield from _cycle_findings(places)


def _formula_findings(one: ChannelPlace, channel: CalculatedChannel) -> Iterator[Finding]:
    if not channel.inputs:
        message = "the channel is calculated from nothing"
        yield Finding((*one.loc, "inputs"), message, "at least one input, `name: channel-id`")
    for kind in ("inputs", "constants"):
        for name in getattr(channel, kind):
            reason = why_not_a_name(name)
            if reason is not None:
                message = f"{name} cannot be a name: {reason}"
                yield Finding((*one.loc, kind, name), message, "a plain name, such as pond_level")
    for name in sorted(channel.inputs.keys() & channel.constants.keys()):
        message = f"the name {name} is an input and a constant"
        yield Finding((*one.loc, "constants", name), message, "a name of its own for each")
    try:
        formula = formula_of(channel)
    except FormulaError as error:
        yield Finding((*one.loc, "formula"), str(error), "arithmetic over inputs and constants")
        return
    for name in channel.inputs:
        if name not in formula.names and name not in channel.constants:
            message = f"the formula does not use the input {name}"
            yield Finding((*one.loc, "inputs", name), message, "inputs that the formula uses")


def _input_findings(
    one: ChannelPlace, channel: CalculatedChannel, places: dict[str, ChannelPlace]
) -> Iterator[Finding]:
    periods: list[float] = []
    for name, key in channel.inputs.items():
        loc = (*one.loc, "inputs", name)
        found = places.get(key)
        if found is None:
            message = f"the channel {key} is unknown"
            yield Finding(loc, message, "a channel of this site", refers_to=key)
            continue
        if found.place.loc == one.place.loc:
            message = f"the channel {key} is calculated in the same group, at the same moment"
            allowed = "a channel of another group; put what is calculated first into its own"
            yield Finding(loc, message, allowed)
        periods.append(found.place.group.period_s)
        if channel.max_age_s < found.place.group.period_s:
            message = (
                f"the input {key} comes every {found.place.group.period_s:g} s, so at "
                f"{channel.max_age_s:g} s it is mostly too old"
            )
            allowed = f"{found.place.group.period_s:g} s or more"
            yield Finding((*one.loc, "max_age_s"), message, allowed)
    if periods and one.place.group.period_s < min(periods):
        message = "the group is calculated more often than any of its inputs is read"
        yield Finding((*one.place.loc, "period_s"), message, f"{min(periods):g} s or more")


def _cycle_findings(places: dict[str, ChannelPlace]) -> Iterator[Finding]:
    """Find groups that wait for each other: an order of calculation must exist among groups."""
    # By place and not by id: two groups with one id are another complaint.
    groups = {one.place.loc: one.place.group.id for one in places.values()}
    needs: dict[Loc, set[Loc]] = {}
    for one in places.values():
        if isinstance(one.channel, CalculatedChannel):
            inputs = {places[key].place.loc for key in one.channel.inputs.values() if key in places}
            needs.setdefault(one.place.loc, set()).update(inputs - {one.place.loc})
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        names = " needs ".join(groups[loc] for loc in circle)
        message = f"calculated groups need each other: {names}"
        yield Finding(circle[0], message, "inputs that lead to measured channels in the end")
