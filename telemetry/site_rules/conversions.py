"""Rules about conversions: what they make, and the companions that they look at."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from telemetry.conversion import companions_of
from telemetry.quantities import QUANTITIES, unit_fits
from telemetry.site import (
    Channel,
    Linear,
    Polynomial,
    Site,
    Thermistor,
    VibratingWire,
    VibratingWireLinear,
    VibratingWirePolynomial,
)
from telemetry.site_rules.places import ChannelPlace, Finding, GroupPlace, channels_of, groups_of


def conversion_findings(site: Site) -> Iterator[Finding]:
    """Find conversions that forget their input, make another unit or look at a wrong channel."""
    measured = {one.channel.id: one for one in channels_of(site)}
    for place in groups_of(site):
        for one in place.channels():
            if isinstance(one.channel, Channel) and one.channel.conversion is not None:
                yield from _sheet_findings(one, one.channel)
                yield from _companion_findings(one, one.channel, measured)
        yield from _cycle_findings(place)


def _sheet_findings(one: ChannelPlace, channel: Channel) -> Iterator[Finding]:
    """Check the numbers of the calibration sheet."""
    conversion, loc = channel.conversion, (*one.loc, "conversion")
    if isinstance(conversion, Thermistor) and channel.unit != "°C" and _unit_fits(one):
        message = f"a thermistor gives °C, the channel says {channel.unit}"
        yield Finding((*one.loc, "unit"), message, "°C")
    forgetful: tuple[str, ...] | None = None
    match conversion:
        case Linear(gain=0.0) | VibratingWireLinear(gain=0.0):
            forgetful = ("gain",)
        case Polynomial(coefficients=[_, *rest]) if not any(rest):
            forgetful = ("coefficients",)
        case VibratingWirePolynomial(a=0.0, b=0.0):
            forgetful = ("a",)
        case Thermistor(b=0.0, c=0.0):
            forgetful = ("b",)
        case VibratingWire(scale=0.0):
            forgetful = ("scale",)
    if forgetful is not None:
        message = "with these numbers the result does not depend on what was read"
        yield Finding((*loc, *forgetful), message, "a number other than 0")


def _companion_findings(
    one: ChannelPlace, channel: Channel, measured: dict[str, ChannelPlace]
) -> Iterator[Finding]:
    conversion = channel.conversion
    if not isinstance(conversion, VibratingWire):
        return
    for role, correction in (
        ("temperature", conversion.temperature),
        ("barometer", conversion.barometer),
    ):
        if correction is None:
            continue
        loc = (*one.loc, "conversion", role, "channel")
        companion = measured.get(correction.channel)
        if companion is None:
            message = f"the channel {correction.channel} is unknown"
            yield Finding(loc, message, "a channel of the same group", correction.channel)
        elif companion.place.loc != one.place.loc:
            message = (
                f"the channel {correction.channel} is read by the group "
                f"{companion.place.group.id}, at other instants"
            )
            allowed = "a channel of the same group; for another one use a calculated channel"
            yield Finding(loc, message, allowed)
        elif not _unit_fits(companion):
            continue  # Complained about where it stands.
        elif role == "temperature" and companion.channel.unit != "°C":
            message = f"the correction counts from zero_c, but {correction.channel} is not in °C"
            yield Finding(loc, message, "a channel in °C")
        elif role == "barometer":
            yield from _barometer_findings(one, channel, companion)


def _barometer_findings(
    one: ChannelPlace, channel: Channel, companion: ChannelPlace
) -> Iterator[Finding]:
    """Refuse a barometer whose numbers cannot be subtracted from the pressure."""
    assert isinstance(channel.conversion, VibratingWire)
    assert channel.conversion.barometer is not None
    loc = (*one.loc, "conversion", "barometer")
    if QUANTITIES[companion.channel.quantity].dimension != "pressure":
        message = f"the channel {companion.channel.id} is no pressure"
        yield Finding((*loc, "channel"), message, "a channel that measures a pressure")
        return
    if not _unit_fits(one):
        return
    named = channel.conversion.barometer.unit
    shown = channel.unit if _shows_pressure(channel, channel.conversion) else None
    unit = named or shown
    if unit is None:
        message = (
            f"{channel.id} shows no pressure as it is, so nobody knows in which unit the sheet's "
            f"pressure is from which {companion.channel.unit} would be subtracted"
        )
        yield Finding(loc, message, "the unit of the sheet's pressure, as unit: kPa")
    elif shown is not None and unit != shown:
        message = f"the sheet's pressure is in {unit}, but the channel shows it as it is in {shown}"
        yield Finding((*loc, "unit"), message, f"{shown}, or a scale that turns {unit} into it")
    elif companion.channel.unit != unit:
        message = f"{companion.channel.unit} cannot be subtracted from {unit}"
        yield Finding((*loc, "channel"), message, f"a barometer in {unit}")


def _shows_pressure(channel: Channel, conversion: VibratingWire) -> bool:
    """Tell whether the channel is in the unit of the calibration sheet."""
    return conversion.scale == 1.0 and QUANTITIES[channel.quantity].dimension == "pressure"


def _unit_fits(one: ChannelPlace) -> bool:
    return unit_fits(one.channel.quantity, one.channel.unit)


def _cycle_findings(place: GroupPlace) -> Iterator[Finding]:
    needs = {
        one.channel.id: companions_of(one.channel)
        for one in place.channels()
        if isinstance(one.channel, Channel)
    }
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        first, *others = reversed(error.args[1])
        at = next(one for one in place.channels() if one.channel.id == first)
        message = f"the corrections go round in a circle: {' needs '.join([first, *others])}"
        yield Finding((*at.loc, "conversion"), message, "corrections that lead to an end")
