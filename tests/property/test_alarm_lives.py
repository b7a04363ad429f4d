"""Whatever is measured and whoever answers: no alarm leaves the table, and none is lost."""

import numpy as np
from engine_sites import BEGAN_US, MINUTE_US, Watch, channel, limit, plan, scans
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alarms.lifecycle import STANDING, TABLE
from alarms.rules import subject_key
from alarms.transition import Acknowledgement, AlarmState, Change, Happening, Silence, Transition
from telemetry.quality import Quality
from telemetry.site import Level

HIGH = limit(blue=1.0, yellow=2.0, red=3.0, deadband=0.5, on_delay_s=60.0)
VALUES = st.integers(0, 8).map(lambda halves: halves / 2)
# A value that was read, or why there is none.
READINGS = st.one_of(
    VALUES.map(lambda value: (value, Quality.GOOD)),
    st.sampled_from([Quality.NO_REPLY, Quality.ELECTRICAL]).map(lambda reason: (np.nan, reason)),
)


class Operators(RuleBasedStateMachine):
    """Two channels move, lines fall silent, things happen, and operators acknowledge at will."""

    def __init__(self) -> None:
        super().__init__()
        channels = [channel("east", 0, limits=[HIGH]), channel("west", 1, limits=[HIGH, HIGH])]
        self.watch = Watch(plan({"group": channels}))
        self.minute = 0
        self.states: dict[str, AlarmState] = {}
        self.levels: dict[str, Level] = {}
        self.keys: set[str] = set()
        self.actions = 0
        self.holes = 0

    @rule(east=READINGS, west=READINGS)
    def measure(self, east: tuple[float, Quality], west: tuple[float, Quality]) -> None:
        self.minute += 1
        at_us = BEGAN_US + self.minute * MINUTE_US
        value, quality = zip(east, west, strict=True)
        self.follow(self.watch.flush(scans(0, [at_us], [value], quality=[quality])).transitions)

    @rule()
    def fall_silent(self) -> None:
        last_us = int(self.watch.state.newest_us[0])
        if last_us > 0:
            self.minute += 5
            self.follow(self.watch.flush(silences=(Silence(0, last_us),)).transitions)

    @rule(holes=st.integers(1, 3))
    def declare_lost(self, holes: int) -> None:
        at_us = BEGAN_US + self.minute * MINUTE_US
        self.holes += holes
        happenings = tuple(
            Happening("edge", "declared_lost", None, at_us, {"first": self.holes - hole})
            for hole in range(holes)
        )
        self.follow(self.watch.flush(happenings=happenings).transitions)

    @rule(data=st.data(), known=st.booleans())
    def acknowledge(self, data: st.DataObject, known: bool) -> None:
        occurrences = sorted(self.states) if known else ["elsewhere/limit_high/1"]
        if not occurrences:
            return
        self.actions += 1
        occurrence = data.draw(st.sampled_from(occurrences))
        before = self.states.get(occurrence, AlarmState.NORMAL)
        asked = Acknowledgement(f"a{self.actions}", occurrence, "Ada", "", BEGAN_US)
        outcome = self.watch.flush(acknowledgements=(asked,))
        (decision,) = outcome.decisions
        assert decision.accepted == ((before, Change.ACKNOWLEDGE) in TABLE)
        assert bool(decision.reason) != decision.accepted
        self.follow(outcome.transitions)

    def follow(self, transitions: tuple[Transition, ...]) -> None:
        for one in transitions:
            assert one.key not in self.keys
            self.keys.add(one.key)
            before = self.states.get(one.occurrence, AlarmState.NORMAL)
            assert TABLE[before, one.change] is one.state
            if one.change in {Change.RAISE, Change.RISE}:
                assert one.level > one.previous_level
            if one.change is Change.FALL:
                assert Level.NONE < one.level < one.previous_level
            self.states[one.occurrence] = one.state
            self.levels[one.occurrence] = one.level

    @invariant()
    def what_was_told_is_what_is_held(self) -> None:
        opened = {
            occurrence: state
            for occurrence, state in self.states.items()
            if state is not AlarmState.NORMAL
        }
        assert {key: one.state for key, one in self.watch.state.alarms.items()} == opened

    @invariant()
    def each_believed_level_has_a_standing_alarm(self) -> None:
        engine, state = self.watch.engine, self.watch.state
        believed = {
            (subject_key(engine.plan, rule_), rule_.key): int(level)
            for rule_, level in zip(engine.rules.rules, state.believed, strict=True)
            if level
        }
        standing = {
            (one.subject.channel, one.subject.rule): int(one.level)
            for one in state.alarms.values()
            if one.state in STANDING and one.subject.rule != "silence"
        }
        assert believed == standing
        assert state.silent[0] == any(
            one.subject.rule == "silence" and one.state in STANDING for one in state.alarms.values()
        )


TestOperators = Operators.TestCase
TestOperators.settings = settings(max_examples=60, stateful_step_count=40)
