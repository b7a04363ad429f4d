"""The life cycle's table, and what the annunciator makes of it."""

import pytest

from alarms.annunciator import Annunciator, Subject
from alarms.lifecycle import TABLE, after
from alarms.transition import Acknowledgement, AlarmKind, AlarmState, Change, Transition
from telemetry.site import Level

SUBJECT = Subject(AlarmKind.PROCESS, "dam", "pond", "limit_high")


class Life:
    """An alarm's life, one change after the other."""

    def __init__(self) -> None:
        self.annunciator = Annunciator()
        self.at_us = 1000
        self.told: list[Transition] = []

    def rise(self, *levels: Level) -> None:
        self.at_us += 1
        self.told += self.annunciator.rise(
            SUBJECT, levels, onset_us=self.at_us - 1, at_us=self.at_us, evidence=lambda _c, _l: {}
        )

    def fall(self, level: Level = Level.NONE) -> None:
        self.at_us += 1
        self.told += self.annunciator.fall(
            SUBJECT, level, at_us=self.at_us, evidence=lambda _c, _l: {}
        )

    def acknowledge(self, occurrence: str, person: str = "Ada") -> str:
        self.at_us += 1
        transition, decision = self.annunciator.acknowledge(
            Acknowledgement(f"action-{self.at_us}", occurrence, person, "seen", self.at_us)
        )
        assert decision.accepted == (transition is not None) == (decision.reason == "")
        if transition is not None:
            self.told.append(transition)
        return decision.reason

    @property
    def occurrence(self) -> str:
        return self.told[-1].occurrence


def test_the_table_is_that_of_the_standard() -> None:
    normal, unacknowledged, acknowledged, returned = AlarmState
    steps = {
        (normal, Change.RAISE, unacknowledged),
        (unacknowledged, Change.ACKNOWLEDGE, acknowledged),
        (unacknowledged, Change.CLEAR, returned),
        (acknowledged, Change.CLEAR, normal),
        (returned, Change.ACKNOWLEDGE, normal),
        (returned, Change.RAISE, unacknowledged),
        (unacknowledged, Change.RISE, unacknowledged),
        (acknowledged, Change.RISE, unacknowledged),
        (unacknowledged, Change.FALL, unacknowledged),
        (acknowledged, Change.FALL, acknowledged),
    }
    assert {(state, change, to) for (state, change), to in TABLE.items()} == steps


@pytest.mark.parametrize(
    ("state", "change"),
    [
        (AlarmState.NORMAL, Change.CLEAR),
        (AlarmState.NORMAL, Change.ACKNOWLEDGE),
        (AlarmState.ACKNOWLEDGED, Change.ACKNOWLEDGE),
        (AlarmState.RETURNED_UNACKNOWLEDGED, Change.RISE),
    ],
)
def test_other_steps_do_not_exist(state: AlarmState, change: Change) -> None:
    assert after(state, change) is None


def test_a_rise_over_several_levels_tells_each_in_order() -> None:
    life = Life()
    life.rise(Level.BLUE, Level.YELLOW, Level.RED)
    assert [(one.change, one.level, one.previous_level) for one in life.told] == [
        (Change.RAISE, Level.BLUE, Level.NONE),
        (Change.RISE, Level.YELLOW, Level.BLUE),
        (Change.RISE, Level.RED, Level.YELLOW),
    ]
    assert len({one.key for one in life.told}) == 3
    assert {one.occurrence for one in life.told} == {"pond/limit_high/1000"}


def test_a_rise_asks_for_acknowledgement_again_and_a_fall_does_not() -> None:
    life = Life()
    life.rise(Level.BLUE, Level.ORANGE)
    life.acknowledge(life.occurrence)
    life.fall(Level.BLUE)
    assert life.told[-1].state is AlarmState.ACKNOWLEDGED
    assert (life.told[-1].level, life.told[-1].previous_level) == (Level.BLUE, Level.ORANGE)
    life.rise(Level.YELLOW)
    assert life.told[-1].state is AlarmState.UNACKNOWLEDGED
    assert life.annunciator.alarms[life.occurrence].acknowledged_by is None


def test_an_alarm_that_ends_after_its_acknowledgement_is_over() -> None:
    life = Life()
    life.rise(Level.RED)
    life.acknowledge(life.occurrence)
    life.fall()
    assert life.told[-1].state is AlarmState.NORMAL
    assert (life.told[-1].level, life.told[-1].previous_level) == (Level.RED, Level.RED)
    assert life.annunciator.alarms == {}
    assert "normal already" in life.acknowledge(life.occurrence)


def test_an_alarm_that_ends_before_its_acknowledgement_waits_for_it() -> None:
    life = Life()
    life.rise(Level.RED)
    life.fall()
    assert life.told[-1].state is AlarmState.RETURNED_UNACKNOWLEDGED
    life.acknowledge(life.occurrence)
    assert life.told[-1].state is AlarmState.NORMAL
    assert life.told[-1].level is Level.RED
    assert life.annunciator.alarms == {}


def test_what_returns_before_its_acknowledgement_is_the_same_alarm() -> None:
    life = Life()
    life.rise(Level.RED)
    life.fall()
    life.rise(Level.BLUE)
    assert life.told[-1].change is Change.RAISE
    assert life.told[-1].previous_level is Level.NONE
    assert len({one.occurrence for one in life.told}) == 1
    assert len({one.key for one in life.told}) == 3


def test_what_returns_after_its_acknowledgement_is_another_alarm() -> None:
    life = Life()
    life.rise(Level.RED)
    life.acknowledge(life.occurrence)
    life.fall()
    life.rise(Level.RED)
    assert len({one.occurrence for one in life.told}) == 2


def test_an_acknowledgement_that_cannot_be_is_refused_with_a_sentence() -> None:
    life = Life()
    assert "never was" in life.acknowledge("pond/limit_high/1")
    life.rise(Level.RED)
    assert life.acknowledge(life.occurrence, "Ada") == ""
    assert life.acknowledge(life.occurrence, "Bo").endswith("is already acknowledged by Ada")
    assert life.told[-1].evidence["person"] == "Ada"
