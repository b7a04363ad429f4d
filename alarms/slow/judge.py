"""The slow judge: recorded scans in, what slow rules come to believe out.

When the newest scan of a group has passed the end of a bin, the rules of that bin's width are asked
about the group's channels, as of that end: bins are exact sums, so the answer does not depend on
how scans were cut into flushes. A rule that needs other groups waits until they have passed it,
too, or until its own group is two bins further: then it is asked without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.detectors.delays import believed_level
from alarms.detectors.limits import violated_level
from alarms.engine_state import NEVER_US
from alarms.forecast.forecasts import Forecasts
from alarms.slow.asking import Answer, Question
from alarms.slow.evidence import slow_evidence
from alarms.slow.methods import METHODS
from alarms.slow.rules import BINS_AHEAD, BinSet, Family, SlowRules, compile_slow_rules
from alarms.slow.state import SlowState
from alarms.transition import Belief
from alarms.trends.binned import Bins
from alarms.trends.means import BinnedMeans, means
from telemetry.plan import SitePlan
from telemetry.scan import JudgedScans

GRACE_BINS: Final = 2
CHUNK_BINS: Final = BINS_AHEAD // 2  # Scans are taken in stretches that push nothing out unasked.


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What one bin's end brought for the rules of one family."""

    rules: NDArray[np.int64]  # [rule]
    at_us: int
    forecasts: Forecasts | None
    means: BinnedMeans  # [rule, bin]


@dataclass(slots=True, eq=False)
class SlowOutcome:
    """What a step led to."""

    beliefs: list[Belief] = field(default_factory=list)  # By instant, then by rule.
    forecasts: list[Told] = field(default_factory=list)  # Of families that forecast.
    asked: set[int] = field(default_factory=set)  # Rules whose figure may be another now.
    # A method that raises says nothing, and holds up no other: its name, and what it raised.
    failed: list[tuple[str, str]] = field(default_factory=list)


class SlowJudge:
    """The slow rules of one configuration, ready to be applied to recorded scans."""

    def __init__(self, plan: SitePlan) -> None:
        self.plan = plan
        self.rules: SlowRules = compile_slow_rules(plan)
        self.methods = dict(METHODS)
        self._resolution = np.array(
            [one.channel.resolution or np.nan for one in plan.channels], dtype=np.float64
        )

    def initial_state(self) -> SlowState:
        """Begin without a past."""
        return SlowState.fresh(self.rules, len(self.plan.groups))

    def fill(self, state: SlowState, scans: Sequence[JudgedScans]) -> None:
        """Take a past in that is judged no more: what the first questions look back on."""
        _pass(state, scans)
        for number, bin_set in enumerate(self.rules.bin_sets):
            state.bins[number].add(_of(bin_set, scans), bin_set.cells)

    def ask_now(self, state: SlowState) -> SlowOutcome:
        """Ask every rule as of the newest bin of its group that has ended: what holds now?"""
        outcome = SlowOutcome()
        for number, bin_set in enumerate(self.rules.bin_sets):
            due: dict[int, set[int]] = {}
            for family in bin_set.families:
                for rule in family.rules.tolist():
                    newest_us = int(state.newest_us[self.rules.rules[rule].group])
                    if newest_us != NEVER_US:
                        due.setdefault(newest_us // bin_set.width_us - 1, set()).add(rule)
            for bin_number in sorted(due):
                self._ask(state, number, bin_number, due[bin_number], outcome)
        return outcome

    def step(self, state: SlowState, scans: Sequence[JudgedScans]) -> SlowOutcome:
        """Take recorded scans in, and ask what has come due; late ones only fill their bins."""
        outcome = SlowOutcome()
        wanted = [one for one in scans if one.group in self.rules.groups and len(one.judged_us)]
        for stretch in self._stretches(wanted):
            self._take(state, stretch, outcome)
        outcome.beliefs.sort(key=lambda one: (one.at_us, one.channel, one.rule))
        return outcome

    def _stretches(self, scans: Sequence[JudgedScans]) -> list[list[JudgedScans]]:
        """Cut scans so that each stretch is short beside the rings, all groups going together."""
        if not scans or not self.rules.bin_sets:
            return []
        step_us = CHUNK_BINS * min(one.width_us for one in self.rules.bin_sets)
        number = [one.judged_us // step_us for one in scans]
        stretches = []
        for wanted in np.unique(np.concatenate(number)).tolist():
            parts = [
                rows
                for one, numbers in zip(scans, number, strict=True)
                if len((rows := _chosen(one, numbers == wanted)).judged_us)
            ]
            stretches.append(parts)
        return stretches

    def _take(self, state: SlowState, scans: Sequence[JudgedScans], outcome: SlowOutcome) -> None:
        newest_before = state.newest_us.copy()
        _pass(state, scans)
        begin_us = min(int(one.judged_us.min()) for one in scans)
        for number, bin_set in enumerate(self.rules.bin_sets):
            ended = {
                one.group: _ended(one, int(newest_before[one.group]), bin_set.width_us)
                for one in scans
            }
            due = self._due(state, bin_set, ended)
            # After a gap new scans push old bins out: what ended before them is asked before.
            before = [one for one in sorted(due) if (one + 1) * bin_set.width_us <= begin_us]
            for bin_number in before:
                self._ask(state, number, bin_number, due.pop(bin_number), outcome)
            state.bins[number].add(_of(bin_set, scans), bin_set.cells)
            for bin_number in sorted(due):
                self._ask(state, number, bin_number, due[bin_number], outcome)

    def _due(
        self, state: SlowState, bin_set: BinSet, ended: dict[int, list[int]]
    ) -> dict[int, set[int]]:
        """Find the rules to ask now, by bin; those that wait for others are kept."""
        mine = {rule for family in bin_set.families for rule in family.rules.tolist()}
        waiting = [(rule, number) for rule, number in state.waiting if rule in mine]
        for rule in sorted(mine):
            waiting += [(rule, one) for one in ended.get(self.rules.rules[rule].group, ())]
        due: dict[int, set[int]] = {}
        left = []
        for rule, number in waiting:
            if self._may_be_asked(state, bin_set, rule, number):
                due.setdefault(number, set()).add(rule)
            else:
                left.append((rule, number))
        state.waiting = [one for one in state.waiting if one[0] not in mine] + left
        return due

    def _may_be_asked(self, state: SlowState, bin_set: BinSet, rule: int, number: int) -> bool:
        ends_us = (number + 1) * bin_set.width_us
        own_us = int(state.newest_us[self.rules.rules[rule].group])
        if own_us >= ends_us + GRACE_BINS * bin_set.width_us:
            return True
        return all(int(state.newest_us[one]) >= ends_us for one in bin_set.sources[rule])

    def _ask(
        self, state: SlowState, of: int, number: int, due: set[int], outcome: SlowOutcome
    ) -> None:
        bin_set = self.rules.bin_sets[of]
        until_us = (number + 1) * bin_set.width_us
        for family in bin_set.families:
            rules = family.rules[np.isin(family.rules, list(due))]
            if not len(rules):
                continue
            asked = self._question(state, bin_set, state.bins[of], family, rules, until_us)
            try:
                answer = self.methods[family.method](asked)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                outcome.failed.append((family.method, repr(error)))
                continue
            state.fits |= answer.fits
            outcome.asked |= set(rules.tolist())
            if answer.forecasts is not None:
                outcome.forecasts.append(Told(rules, until_us, answer.forecasts, asked.means))
            outcome.beliefs += self._believe(state, rules, answer, until_us)

    def _question(
        self,
        state: SlowState,
        bin_set: BinSet,
        bins: Bins,
        family: Family,
        rules: NDArray[np.int64],
        until_us: int,
    ) -> Question:
        some = [self.rules.rules[rule] for rule in rules.tolist()]
        channels = [rule.channel for rule in some]
        return Question(
            numbers=rules,
            rules=some,
            means=_last(bins, bin_set.rows_of(channels), until_us, family.bins),
            beside=[
                _last(bins, bin_set.rows_of(rule.others), until_us, family.bins).value
                for rule in some
            ],
            until_us=until_us,
            resolution=self._resolution[channels],
            fits=state.fits,
        )

    def _believe(
        self, state: SlowState, rules: NDArray[np.int64], answer: Answer, at_us: int
    ) -> list[Belief]:
        """Hold figures to bounds, let delays decide, and say what has changed."""
        of, before = self.rules, state.believed[rules]
        violated = violated_level(
            of.sign[rules] * answer.figure,
            state.violated[rules],
            bounds=of.bounds[:, rules],
            deadband=of.deadband[rules],
        )
        believed, since_us = believed_level(
            np.full(len(rules), at_us),
            violated_before=state.violated[rules],
            violated=violated,
            since_us=state.since_us[:, rules],
            believed_before=before,
            on_delay_us=of.on_delay_us[rules],
            off_delay_us=of.off_delay_us[rules],
            used=of.used[:, rules],
        )
        state.violated[rules], state.believed[rules] = violated, believed
        state.since_us[:, rules] = since_us
        state.figure[rules], state.said_us[rules] = answer.figure, at_us
        return [
            self._belief(state, int(rules[n]), answer, int(n))
            for n in np.flatnonzero(believed != before)
        ]

    def _belief(self, state: SlowState, rule: int, answer: Answer, n: int) -> Belief:
        one = self.rules.rules[rule]
        level = int(state.believed[rule])
        return Belief(
            channel=self.plan.channels[one.channel].key,
            rule=one.key,
            level=level,
            onset_us=int(state.since_us[max(level, 1) - 1, rule]),
            at_us=int(state.said_us[rule]),
            evidence=slow_evidence(self.plan, one, float(answer.figure[n]), answer.facts(n)),
        )


def _pass(state: SlowState, scans: Sequence[JudgedScans]) -> None:
    """Note how far groups have come."""
    for one in scans:
        newest_us = int(one.judged_us.max(initial=state.newest_us[one.group]))
        state.newest_us[one.group] = newest_us


def _of(bin_set: BinSet, scans: Sequence[JudgedScans]) -> list[JudgedScans]:
    """Choose the scans that hold a channel of the bin set."""
    nobody, first = len(bin_set.channels), bin_set.cells.first
    return [
        one
        for one in scans
        if bool(np.any(bin_set.cells.channel[first[one.group] : first[one.group + 1]] < nobody))
    ]


def _chosen(scans: JudgedScans, rows: NDArray[np.bool_]) -> JudgedScans:
    return JudgedScans(
        group=scans.group,
        sampled_us=scans.sampled_us[rows],
        judged_us=scans.judged_us[rows],
        raw=scans.raw[rows],
        value=scans.value[rows],
        quality=scans.quality[rows],
    )


def _ended(scans: JudgedScans, newest_us: int, width_us: int) -> list[int]:
    """List the bins that held a scan and have ended with these scans; late scans end none."""
    bins = scans.judged_us[scans.judged_us > newest_us] // width_us
    if newest_us != NEVER_US:
        bins = np.concatenate([[newest_us // width_us], bins])
    ended: list[int] = np.unique(bins)[:-1].tolist()
    return ended


def _last(bins: Bins, rows: NDArray[np.int64], until_us: int, count: int) -> BinnedMeans:
    """Return the means of some rows, of the last so many bins that have ended."""
    arrays = bins.arrays()
    some = Bins(
        width_us=bins.width_us,
        newest=bins.newest,
        **{name: arrays[name][rows] for name in ("count", "whole", "parts", "low", "high")},
    )
    found = means(some, until_us)
    # A group that is far ahead of another pushes its bins out; what is gone is not known.
    gone = max(count - len(found.at_us), 0)
    last = until_us // bins.width_us - 1
    numbers = np.arange(last - count + 1, last + 1)

    def filled(held: NDArray[Any], missing: float) -> NDArray[Any]:
        whole = np.pad(held[:, -count:], ((0, 0), (gone, 0)), constant_values=missing)
        return np.ascontiguousarray(whole)  # Sums round as their numbers lie in memory.

    return BinnedMeans(
        found.width_us,
        numbers * bins.width_us + bins.width_us // 2,
        filled(found.value, np.nan),
        filled(found.count, 0),
        filled(found.low, np.nan),
        filled(found.high, np.nan),
    )
