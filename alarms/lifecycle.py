"""The life of an alarm: every transition there is, as one table (ISA-18.2, figure 4).

Rule 1: every transition is in this table, and nothing else changes an alarm's state.
Rule 2: the table knows neither levels nor time. When a change happens is for detectors and
operators to say; what it leads to is said here.

A rise asks for acknowledgement again; a fall does not. An alarm whose cause has ended before
anybody answered stays until somebody does, and what returns meanwhile is the same alarm.
"""

from typing import Final

from alarms.transition import AlarmState, Change

_NORMAL = AlarmState.NORMAL
_UNACKNOWLEDGED = AlarmState.UNACKNOWLEDGED
_ACKNOWLEDGED = AlarmState.ACKNOWLEDGED
_RETURNED = AlarmState.RETURNED_UNACKNOWLEDGED

TABLE: Final[dict[tuple[AlarmState, Change], AlarmState]] = {
    (_NORMAL, Change.RAISE): _UNACKNOWLEDGED,
    (_UNACKNOWLEDGED, Change.RISE): _UNACKNOWLEDGED,
    (_UNACKNOWLEDGED, Change.FALL): _UNACKNOWLEDGED,
    (_UNACKNOWLEDGED, Change.CLEAR): _RETURNED,
    (_UNACKNOWLEDGED, Change.ACKNOWLEDGE): _ACKNOWLEDGED,
    (_ACKNOWLEDGED, Change.RISE): _UNACKNOWLEDGED,
    (_ACKNOWLEDGED, Change.FALL): _ACKNOWLEDGED,
    (_ACKNOWLEDGED, Change.CLEAR): _NORMAL,
    (_RETURNED, Change.RAISE): _UNACKNOWLEDGED,
    (_RETURNED, Change.ACKNOWLEDGE): _NORMAL,
}

# While an alarm is in one of these, its cause stands.
STANDING: Final = frozenset({_UNACKNOWLEDGED, _ACKNOWLEDGED})


def after(state: AlarmState, change: Change) -> AlarmState | None:
    """Return the state that a change leads to, or None where the table has no such step.

    >>> after(AlarmState.ACKNOWLEDGED, Change.CLEAR)
    <AlarmState.NORMAL: 'normal'>
    """
    return TABLE.get((state, change))
