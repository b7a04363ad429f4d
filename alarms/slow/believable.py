"""The rules that beliefs may be about: whose alarms they raise, and at which levels."""

from collections.abc import Mapping
from dataclasses import dataclass

from alarms.seismic.following import event_rules
from alarms.slow.rules import compile_slow_rules
from alarms.transition import AlarmKind
from telemetry.plan import SitePlan
from telemetry.site import Level


@dataclass(frozen=True, slots=True)
class Believable:
    """A rule that is judged beside the flush, and told in it."""

    kind: AlarmKind
    structure: str
    bounds: tuple[float | None, float | None, float | None, float | None]  # By level.

    def announced(self, before: int, after: int) -> list[Level]:
        """List the levels that are told one by one on a rise; a technical alarm has one."""
        if self.kind is AlarmKind.TECHNICAL:
            return [Level(after)]
        return [
            Level(level)
            for level in range(before + 1, after + 1)
            if self.bounds[level - 1] is not None
        ]


def believable_rules(plan: SitePlan) -> Mapping[tuple[str, str], Believable]:
    """Find them by subject (the key of a channel, or of a source of events) and rule."""
    of_channels = {
        (plan.channels[rule.channel].key, rule.key): Believable(
            rule.kind, plan.channels[rule.channel].structure.id, rule.levels
        )
        for rule in compile_slow_rules(plan).rules
    }
    of_events = {
        (source.key, key): Believable(
            AlarmKind.PROCESS,
            source.structure.id,
            (rule.levels.blue, rule.levels.yellow, rule.levels.orange, rule.levels.red),
        )
        for source in plan.event_sources
        for key, rule in event_rules(source)
    }
    return of_channels | of_events
