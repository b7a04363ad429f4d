"""Rules about single channels: quantity and unit, ranges, named states."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from telemetry.quantities import QUANTITIES, SPELLINGS
from telemetry.site import Channel, Site
from telemetry.site_rules.places import ChannelPlace, Finding, channels_of, groups_of

PERIOD_LEAST_S: Final = 0.1  # Faster than that is waveforms, which travel in another way.
PERIOD_MOST_S: Final = 31 * 86_400.0
STATE_MOST: Final = 2**32  # No register shows a larger whole number exactly.


def channel_findings(site: Site) -> Iterator[Finding]:
    """Find units that do not fit, ranges upside down, states and limits that exclude each other."""
    for place in groups_of(site):
        if not PERIOD_LEAST_S <= place.group.period_s <= PERIOD_MOST_S:
            message = f"a period of {place.group.period_s:g} s is out of the question"
            allowed = f"{PERIOD_LEAST_S:g} to {PERIOD_MOST_S:g} s"
            yield Finding((*place.loc, "period_s"), message, allowed)
    for one in channels_of(site):
        yield from _unit_findings(one)
        yield from _range_findings(one)
        yield from _state_findings(one)


def _unit_findings(one: ChannelPlace) -> Iterator[Finding]:
    quantity = QUANTITIES.get(one.channel.quantity)
    unit = one.channel.unit
    if quantity is None:
        message = f"the quantity {one.channel.quantity} is unknown"
        near = get_close_matches(one.channel.quantity, QUANTITIES, n=4)
        allowed = f"for example {', '.join(near)}" if near else ", ".join(QUANTITIES)
        yield Finding((*one.loc, "quantity"), message, allowed)
    elif unit not in quantity.units:
        spelling = SPELLINGS.get(unit)
        hint = f"; write {spelling}" if spelling in quantity.units else ""
        message = f"the unit {unit} does not fit the quantity {quantity.key}{hint}"
        yield Finding((*one.loc, "unit"), message, ", ".join(quantity.units))


def _range_findings(one: ChannelPlace) -> Iterator[Finding]:
    ranges = {"range": one.channel.range}
    if isinstance(one.channel, Channel):
        ranges["electrical_range"] = one.channel.electrical_range
    for name, bounds in ranges.items():
        if bounds is not None and bounds[0] >= bounds[1]:
            message = f"the range begins at {bounds[0]:g} and ends at {bounds[1]:g}"
            yield Finding((*one.loc, name), message, "the smaller number first, then the larger")
    register = one.channel.register_ if isinstance(one.channel, Channel) else None
    if register is not None and register.scale == 0.0:
        message = "a scale of 0 forgets what was read"
        yield Finding((*one.loc, "register", "scale"), message, "a number other than 0")


def _state_findings(one: ChannelPlace) -> Iterator[Finding]:
    channel = one.channel
    quantity = QUANTITIES.get(channel.quantity)
    is_discrete = quantity.is_discrete if quantity else channel.states is not None
    if is_discrete and not channel.states:
        message = f"the discrete quantity {channel.quantity} needs names for its states"
        yield Finding(one.loc, message, "with the key states")
    if channel.states is not None and not is_discrete:
        message = f"the quantity {channel.quantity} has no states"
        yield Finding((*one.loc, "states"), message, "states with a discrete quantity only")
    if channel.states is None:
        for name in ("state_on_delay_s", "state_off_delay_s"):
            if getattr(channel, name):
                message = "the delay is without effect: the channel has no states"
                yield Finding((*one.loc, name), message, "a delay of states with states only")
        return
    for name in ("limits", "rate_limits", "charts", "trends", "drift", "range"):
        if getattr(channel, name):
            message = f"a channel with states has no {name.replace('_', ' ')}"
            yield Finding((*one.loc, name), message, "a level with a state: `level: red`")
    yield from _state_name_findings(one)


def _state_name_findings(one: ChannelPlace) -> Iterator[Finding]:
    states = one.channel.states or {}
    for language in ("en", "zh"):
        holder: dict[str, int] = {}
        for number, state in states.items():
            name = getattr(state.name, language)
            if name in holder:
                message = f"the state {holder[name]} is called {name} already"
                place = (*one.loc, "states", str(number), "name", language)
                yield Finding(place, message, "a name of its own for each state")
            holder.setdefault(name, number)
    for number in states:
        if abs(number) > STATE_MOST:
            message = f"no register shows the number {number} exactly"
            allowed = f"whole numbers from {-STATE_MOST} to {STATE_MOST}"
            yield Finding((*one.loc, "states", str(number)), message, allowed)
