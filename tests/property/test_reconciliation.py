"""However a newer program judges what was recorded: what was told and what holds become one."""

from dataclasses import replace
from typing import Any

from engine_sites import BEGAN_US, MINUTE_US, Watch, channel, limit, plan, scans
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.annunciator import OpenAlarm, Subject
from alarms.lifecycle import after
from alarms.reconciliation import differing, reconcile
from alarms.rules import subject_key
from alarms.transition import Acknowledgement, AlarmState, Change, Transition
from telemetry.site import Level

VALUES = st.lists(st.integers(0, 8), min_size=1, max_size=12)


class Told:
    """The table of open alarms, as it follows from transitions."""

    def __init__(self) -> None:
        self.open: dict[str, OpenAlarm] = {}
        self.keys: set[str] = set()

    def rows(self) -> list[OpenAlarm]:
        """Read it."""
        return [replace(alarm) for alarm in self.open.values()]

    def follow(self, transitions: tuple[Transition, ...]) -> None:
        for one in transitions:
            assert one.key not in self.keys
            self.keys.add(one.key)
            before = self.open.get(one.occurrence)
            stood = before.state if before is not None else AlarmState.NORMAL
            assert after(stood, one.change) is one.state
            subject = Subject(one.kind, one.structure, one.channel, one.rule)
            if one.state is AlarmState.NORMAL:
                del self.open[one.occurrence]
            else:
                self.open[one.occurrence] = OpenAlarm(
                    one.occurrence, subject, one.state, one.level, one.sampled_us
                )


def watch(*, lower_by: int, on_delay_s: float, without: str | None = None) -> Watch:
    words: dict[str, Any] = {
        "blue": 2.0 - lower_by,
        "yellow": 4.0 - lower_by,
        "red": 6.0 - lower_by,
        "on_delay_s": on_delay_s,
    }
    names = [name for name in ("east", "west") if name != without]
    channels = [
        channel(name, 0 if name == "east" else 1, limits=[limit(**words)]) for name in names
    ]
    return Watch(plan({"group": channels}))


def feed(one: Watch, minute: int, east: int, west: int) -> tuple[Transition, ...]:
    at_us = BEGAN_US + minute * MINUTE_US
    names = [each.key for each in one.engine.plan.groups[0].channels]
    row = [float(east), float(west)]
    slots = one.engine.plan.groups[0].slot_count
    value = [
        row[slot] if ("east", "west")[slot] in names else float("nan") for slot in range(slots)
    ]
    quality = [0 if ("east", "west")[slot] in names else 113 for slot in range(slots)]
    return one.flush(scans(0, [at_us], [value], quality=[quality])).transitions


@given(
    values=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=12),
    later=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=6),
    lower_by=st.integers(-2, 2),
    delays=st.tuples(st.sampled_from([0.0, 60.0, 180.0]), st.sampled_from([0.0, 60.0, 180.0])),
    without=st.sampled_from([None, "west"]),
    answered=st.sets(st.integers(0, 12), max_size=3),
)
@settings(max_examples=300, deadline=None)
def test_told_and_judged_become_one(
    values: list[tuple[int, int]],
    later: list[tuple[int, int]],
    lower_by: int,
    delays: tuple[float, float],
    without: str | None,
    answered: set[int],
) -> None:
    old = watch(lower_by=0, on_delay_s=delays[0])
    new = watch(lower_by=lower_by, on_delay_s=delays[1], without=without)
    told = Told()
    for minute, row in enumerate(values):
        told.follow(feed(old, minute, *row))
        feed(new, minute, *row)
        if minute in answered:
            for occurrence in sorted(told.open):
                asked = Acknowledgement(f"{minute}/{occurrence}", occurrence, "Li", "", BEGAN_US)
                told.follow(old.flush(acknowledgements=(asked,)).transitions)
                new.flush(acknowledgements=(asked,))

    same = not differing(new.state, told.rows())
    transitions = reconcile(new.engine, new.state, told.rows(), 7)
    assert not (same and transitions)
    told.follow(transitions)

    assert differing(new.state, told.rows()) == []
    for row_number, rule in enumerate(new.engine.rules.rules):
        about = subject_key(new.engine.plan, rule), rule.key
        alarm = new.state.annunciator.about(*about)
        level = alarm.level if alarm is not None and alarm.standing else Level.NONE
        assert level == new.state.believed[row_number]
    for minute, row in enumerate(later, len(values)):
        told.follow(feed(new, minute, *row))
    for occurrence in sorted(told.open):
        asked = Acknowledgement(occurrence, occurrence, "Li", "", BEGAN_US)
        told.follow(new.flush(acknowledgements=(asked,)).transitions)
    assert differing(new.state, told.rows()) == []


def test_a_rise_that_nobody_was_told_is_told_level_by_level() -> None:
    old, new = watch(lower_by=0, on_delay_s=600.0), watch(lower_by=0, on_delay_s=0.0)
    feed(old, 0, 8, 0)
    raised = feed(new, 0, 8, 0)

    transitions = reconcile(new.engine, new.state, old.state.alarms.values(), 7)

    assert [(one.change, one.level) for one in transitions] == [
        (Change.RAISE, Level.BLUE),
        (Change.RISE, Level.YELLOW),
        (Change.RISE, Level.RED),
    ]
    assert {one.occurrence for one in transitions} == {one.occurrence for one in raised}


def test_an_alarm_told_under_two_names_ends_under_one() -> None:
    one, other = watch(lower_by=0, on_delay_s=0.0), watch(lower_by=0, on_delay_s=0.0)
    told = Told()
    told.follow(feed(one, 0, 8, 0))
    told.follow(feed(other, 1, 8, 0))
    assert len(told.open) == 2

    told.follow(reconcile(other.engine, other.state, told.rows(), 7))

    assert sorted((alarm.occurrence[-9:], alarm.state) for alarm in told.open.values()) == [
        ("000000000", AlarmState.RETURNED_UNACKNOWLEDGED),
        ("060000000", AlarmState.UNACKNOWLEDGED),
    ]


def test_programs_that_take_turns_tell_each_healing_under_keys_of_its_own() -> None:
    """What has a key that the journal knows is not told again: the journal would stay wrong."""
    told = Told()
    keys: list[str] = []
    for turn in range(6):
        program = watch(lower_by=0, on_delay_s=(0.0, 600.0)[turn % 2])
        feed(program, 0, 8, 0)
        transitions = reconcile(program.engine, program.state, told.rows(), flush_id=turn)
        told.follow(transitions)
        keys += [one.key for one in transitions]
        assert differing(program.state, told.rows()) == []

    assert len(keys) == len(set(keys)) == 12
