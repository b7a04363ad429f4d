"""Two boxes with one identity: a copied disk or a copied token, found out by who comes back.

An edge that calls again has lost its old connection, so the newest call always counts. Each run of
an agent names itself by a number of its own. When a run comes back after another run has called as
the same edge, both are alive at this moment: a restarted box comes with a new number, and the old
one never again. Then the run that called later is turned away, and somebody is told.

Calls may be heard late and in another order, all of them within a moment: a centre that was frozen
finds them waiting, also those of a run that has ended since. So only who comes back again and
again, over longer than such a moment, is there. Turning a box away wrongly would blind a dam.

Kept in memory alone: after a restart of the centre the two find each other again within seconds.
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

RETURNS_APART_S: Final = 5.0  # Between the first return and the one that proves a second box.
RETURNS_FORGOTTEN_S: Final = 60.0  # Two boxes call each other off every few seconds.
RUNS_MAX: Final = 8  # Remembered of an edge; a box that is started again and again has many.


@dataclass(slots=True)
class _Known:
    """What is known of one edge."""

    runs: list[UUID] = field(default_factory=list)  # In the order of their first call.
    calling: UUID | None = None  # Whose call is the newest.
    refused: set[UUID] = field(default_factory=set)
    first_return_s: float = 0.0  # Of those that came one soon after the other.
    last_return_s: float | None = None

    def returned(self, at_s: float) -> bool:
        """Note that a run came back after another one; tell whether that proves two boxes."""
        last_s, self.last_return_s = self.last_return_s, at_s
        if last_s is None or at_s - last_s > RETURNS_FORGOTTEN_S:
            self.first_return_s = at_s
            return False
        return at_s - self.first_return_s >= RETURNS_APART_S


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call is taken, and whether it proves that there are two boxes."""

    is_taken: bool
    rival: UUID | None = None  # The run that is turned away from now on.


class IdentityWatch:
    """Which runs of an agent have called as which edge."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}

    def called(self, site: str, edge: str, run: UUID | None, at_s: float) -> Verdict:
        """Judge a call; one that names no run is of an older agent, and always taken.

        >>> watch, one, two = IdentityWatch(), UUID(int=1), UUID(int=2)
        >>> calls = [(one, 0.0), (two, 3.0), (one, 6.0), (two, 9.0), (one, 11.0), (two, 14.0)]
        >>> [watch.called("mine", "dam", run, at_s).is_taken for run, at_s in calls]
        [True, True, True, True, True, False]
        >>> watch.called("mine", "dam", UUID(int=3), 15.0).is_taken  # A restart is a new run.
        True
        """
        if run is None:
            return Verdict(is_taken=True)
        known = self._known.setdefault((site, edge), _Known())
        if run in known.refused:
            return Verdict(is_taken=False)
        before, known.calling = known.calling, run
        if run not in known.runs:
            known.runs = [*known.runs, run][-RUNS_MAX:]
            return Verdict(is_taken=True)
        if before is None or before == run or not known.returned(at_s):
            return Verdict(is_taken=True)
        # It has called before, and another one since then: the one that began later has to go.
        places = {one: n for n, one in enumerate(known.runs)}
        later = max((run, before), key=lambda one: places.get(one, -1))
        known.refused.add(later)
        if later == run:
            known.calling = before
        return Verdict(is_taken=later != run, rival=later)
