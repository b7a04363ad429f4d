"""What the engine is told and what it says: its inputs, and the transitions of alarms.

A site's inputs have one recorded order (decision record 0002). Everything here is a plain
value, so that live operation, recovery and back-testing feed the same function.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from telemetry.scan import JudgedScans
from telemetry.site import Level


class AlarmKind(StrEnum):
    """Whether the ground raised the alarm, or the system that watches it."""

    PROCESS = "process"
    TECHNICAL = "technical"


class AlarmState(StrEnum):
    """Where an alarm stands in its life (ISA-18.2, figure 4: states A to D)."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"


class Change(StrEnum):
    """What can happen to an alarm."""

    RAISE = "raise"  # From no level to one.
    RISE = "rise"  # To a higher level.
    FALL = "fall"  # To a lower level, not none.
    CLEAR = "clear"  # To no level.
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An operator takes responsibility for an alarm."""

    action_id: str
    occurrence: str
    person: str
    comment: str
    at_us: int
    seen_number: int | None = None  # The newest journal entry that the person saw of the alarm.
    risen_to: str | None = None  # A level's name; the alarm has risen to it since then.


@dataclass(frozen=True, slots=True)
class Tick:
    """A calculated group is due at an instant of event time."""

    group: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Silence:
    """A scan group has sent nothing for longer than it may; ends with its next scan."""

    group: int
    last_sampled_us: int


class Phase(StrEnum):
    """Whether what happened is over at once, or lasts until it is said to be over."""

    ONCE = "once"
    BEGINS = "begins"  # Or is worth being told again: then it asks for acknowledgement again.
    ENDS = "ends"


# Certificates that end soon: an edge's, one of the centre's, its authority's.
EDGE_CERTIFICATE, CENTRE_CERTIFICATE = "certificate_ends", "centre_certificate_ends"
AUTHORITY_CERTIFICATE = "authority_certificate_ends"
# What lasts is no rule of a site file, so no new site file ends it: only an input does.
LASTING_RULES: Final = frozenset({EDGE_CERTIFICATE, CENTRE_CERTIFICATE, AUTHORITY_CERTIFICATE})


@dataclass(frozen=True, slots=True)
class Happening:
    """Something technical that happened; what happens once is raised and returned in one instant.

    For example a hole that an edge declares lost, or scans put into quarantine. What lasts, as a
    certificate that ends soon, is an input when it begins, and another when it ends.
    """

    subject: str  # What it happened to: an edge, a group.
    rule: str  # A short word: "declared_lost", "quarantined", "implausible_clock".
    structure: str | None
    at_us: int
    detail: dict[str, Any] = field(default_factory=dict)
    phase: Phase = Phase.ONCE


@dataclass(frozen=True, slots=True)
class Belief:
    """What a rule that is judged beside the flush has come to believe (decision record 0017)."""

    channel: str
    rule: str
    level: int  # 0 where it believes in no violation any more.
    onset_us: int  # Since when the level is violated.
    at_us: int  # The instant of event time as of which it is believed.
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one flush of one site, in the order in which they count.

    Acknowledgements, then scans by (group, seq, row), then silences, happenings, beliefs and ticks.
    Each group's scans stand in one `JudgedScans`; groups are ascending.
    """

    acknowledgements: tuple[Acknowledgement, ...] = ()
    scans: tuple[JudgedScans, ...] = ()
    silences: tuple[Silence, ...] = ()
    happenings: tuple[Happening, ...] = ()
    beliefs: tuple[Belief, ...] = ()
    ticks: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """One step in the life of an alarm; recorded in the journal, never changed."""

    key: str  # Deterministic: a replay makes the same, so that nothing is recorded twice.
    occurrence: str  # The alarm: "<channel>/<rule>/<onset in microseconds>".
    change: Change
    kind: AlarmKind
    structure: str | None
    channel: str  # Or the group or edge that a technical alarm is about.
    rule: str  # "limit_high", "limit_low", "rate_high_3600", "state", "unreadable", …
    level: Level  # After the change; for a clear and an acknowledgement the level before it.
    previous_level: Level
    state: AlarmState  # After the change.
    sampled_us: int  # The instant of the reading, tick or action that made the change.
    evidence: dict[str, Any]  # Value, unit, bound, deadband, source, onset …: JSON-able.


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an operator's action."""

    action_id: str
    accepted: bool
    reason: str  # A sentence; empty when accepted.


@dataclass(frozen=True, slots=True, eq=False)
class CalculatedScans:
    """Scans of a calculated group, as its ticks made them."""

    group: int
    at_us: NDArray[np.int64]  # [scan]
    value: NDArray[np.float64]  # [scan, slot]
    quality: NDArray[np.int16]  # [scan, slot]


@dataclass(frozen=True, slots=True)
class TakenVote:
    """What a structure's newest vote came to, point by point: see `alarms.tally`."""

    structure: str
    at_us: int
    document: dict[str, Any]  # JSON-able.


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a flush's inputs led to."""

    transitions: tuple[Transition, ...]
    decisions: tuple[Decision, ...]
    calculated: tuple[CalculatedScans, ...]
    # By group, where screens have said something: the qualities of all scans that were sent.
    screened: dict[int, NDArray[np.int16]] = field(default_factory=dict)
    votes: tuple[TakenVote, ...] = ()
