"""Which channels are exported, over which span, and as which numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from telemetry.plan import ChannelPlan, SitePlan

Numbers = Literal["value", "raw"]
Form = Literal["wide", "long"]


class SelectionError(ValueError):
    """There is nothing of this name; the message says what there is."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What is exported; columns stand in the order of the site file."""

    site_id: int
    channels: tuple[ChannelPlan, ...]
    group_ids: dict[int, int]  # By plan index: their numbers in the store.
    from_us: int
    to_us: int  # Does not belong to the span.
    numbers: Numbers

    def unit_of(self, channel: ChannelPlan) -> str:
        """The unit of the exported numbers; a raw number of a converted channel names none."""
        conversion = getattr(channel.channel, "conversion", None)
        return "raw" if self.numbers == "raw" and conversion is not None else channel.channel.unit


def select_channels(
    plan: SitePlan, *, channels: Sequence[str], groups: Sequence[str]
) -> tuple[ChannelPlan, ...]:
    """Find channels by their ids, or by those of their groups; all, if nothing is asked for."""
    for what, asked, known in (
        ("channel", channels, plan.channel_by_key),
        ("group", groups, plan.group_by_key),
    ):
        unknown = [one for one in asked if one not in known]
        if unknown:
            raise SelectionError(
                f"Site '{plan.site.site}' has no {what} {unknown[0][:80]!r}; "
                f"it has {', '.join(known)}."
            )
    wanted = set(channels)
    of_groups = {plan.group_by_key[key].index for key in groups}
    if not wanted and not of_groups:
        return plan.channels
    return tuple(one for one in plan.channels if one.key in wanted or one.group in of_groups)
