"""Channels as the site file describes them, in the API's words; pure."""

from collections.abc import Iterable

from alarms.rules import Rule
from api.views import ChannelView, ConfirmationView, InstrumentView, LimitView, StateView
from telemetry.limits import ChartLimit, CusumLimit, EwmaLimit, PageHinkleyLimit, RateLimit
from telemetry.plan import ChannelPlan, GroupPlan
from telemetry.quantities import QUANTITIES
from telemetry.site import Instrument, Level, Name

CHARTS = (EwmaLimit, CusumLimit, PageHinkleyLimit)


def channel_view(group: GroupPlan, plan: ChannelPlan, rules: Iterable[Rule]) -> ChannelView:
    """Describe a channel, with the rules that the engine judges it by."""
    channel = plan.channel
    limits = [_limit_view(rule) for rule in rules if rule.limit is not None]
    states = channel.states
    return ChannelView(
        channel=plan.key,
        name=channel.name,
        quantity=channel.quantity,
        quantity_name=_quantity_name(channel.quantity),
        unit=channel.unit,
        structure=plan.structure.id,
        station=plan.station.id,
        station_name=plan.station.name,
        group=group.key,
        instrument=_instrument_view(plan.instrument),
        period_s=group.group.period_s,
        calculated=plan.calculated,
        resolution=channel.resolution,
        range=channel.range,
        limits=[one for one in limits if one.window_s is None and one.method is None],
        rate_limits=[one for one in limits if one.window_s is not None],
        charts=[one for one in limits if one.method is not None],
        states=None
        if states is None
        else {
            str(number): StateView(name=state.name, level=state.level)
            for number, state in states.items()
        },
    )


def _quantity_name(key: str) -> Name:
    quantity = QUANTITIES[key]
    return Name(en=quantity.en, zh=quantity.zh)


def _instrument_view(instrument: Instrument | None) -> InstrumentView | None:
    if instrument is None:
        return None
    return InstrumentView(
        instrument=instrument.id,
        name=instrument.name,
        type=instrument.type,
        serial=instrument.serial,
    )


def _limit_view(rule: Rule) -> LimitView:
    limit = rule.limit
    assert limit is not None
    names = [level.name.lower() for level in Level if level is not Level.NONE]
    bounds = {name: getattr(limit.levels, name) for name in names}
    confirm = limit.confirm
    return LimitView(
        rule=rule.key,
        direction=limit.direction,
        levels={name: bound for name, bound in bounds.items() if bound is not None},
        deadband=limit.deadband,
        on_delay_s=limit.on_delay_s,
        off_delay_s=limit.off_delay_s,
        source=limit.source,
        window_s=limit.window_s if isinstance(limit, RateLimit) else None,
        confirm=None
        if confirm is None
        else ConfirmationView(at_least=confirm.at_least, of_last=confirm.of_last),
        method=limit.method if isinstance(limit, CHARTS) else None,
        mean=limit.mean if isinstance(limit, EwmaLimit | CusumLimit) else None,
        sigma=limit.sigma if isinstance(limit, ChartLimit) else None,
    )
