"""Tallies: the votes of a structure at some instants, and what can be said about each.

Column 0 is the structure, whose members are the items; the other columns are the items, whose
members are points. The highest single level stands beside each vote, and so does whatever is
not known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.derivation import SourceMemory
from alarms.trends.neighbours import UNKNOWN, NeighbourVerdict, confirmed
from alarms.vote_memory import WARMING, About, Timeline
from alarms.vote_plan import ItemPlan, VotingPlan
from alarms.voting import Vote, vote
from telemetry.plan import ChannelPlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Level

NAMED_MAX: Final = 12  # Of points in the evidence; there may be hundreds.


class Doubt(IntEnum):
    """Why nobody knows a point's level now; its last one goes on counting."""

    NONE = 0
    SILENT = 1  # Its group has sent nothing for longer than the voting allows.
    BAD = 2  # It was read, but there was no good reading for as long.
    WARMING_UP = 3  # None of its rules has seen enough to judge.


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """The votes of one structure at successive ticks."""

    plan: VotingPlan
    channels: tuple[ChannelPlan, ...]  # [column]
    at_us: NDArray[np.int64]  # [tick]
    level: NDArray[np.int8]  # [tick, point]
    doubt: NDArray[np.int8]  # [tick, point] a Doubt
    voted: NDArray[np.int8]  # [tick, column]
    highest: NDArray[np.int8]  # [tick, column] of any member
    unknown: NDArray[np.int64]  # [tick, column] members
    lines: Mapping[About, Timeline]

    def turns(self) -> list[int]:
        """List the ticks at which an alarm may change: the first, and where some level does."""
        now = np.hstack([self.voted, self.highest])
        changed = np.any(now[1:] != now[:-1], axis=1)
        return [0, *(np.flatnonzero(changed) + 1).tolist()]

    def scans(self) -> JudgedScans:
        """Say the voted levels as scans: nothing is not said of members that nobody knows."""
        group = self.plan.group
        members = [len(self.plan.items), *(len(item.points) for item in self.plan.items)]
        nobody = (self.unknown == np.array(members)) & (self.voted == 0)
        slots = [channel.slot for channel in self.channels]
        value = np.full((len(self.at_us), group.slot_count), np.nan)
        quality = np.full(value.shape, Quality.NO_VALUE, dtype=np.int16)
        value[:, slots] = np.where(nobody, np.nan, self.voted)
        quality[:, slots] = np.where(nobody, Quality.STALE_INPUT, Quality.GOOD)
        return JudgedScans(
            group=group.index,
            sampled_us=self.at_us,
            judged_us=self.at_us,
            raw=value,
            value=value,
            quality=quality,
        )

    def evidence(self, tick: int, column: int) -> dict[str, Any]:
        """Say what a voted level rests on."""
        names, level, doubt = self._members(tick, column)
        ladder = self.plan.voting.ladder
        highest = self.highest[tick, column]
        facts: dict[str, Any] = {
            "voted": _word(self.voted[tick, column]),
            "highest": _word(highest),
            "highest_point": _word(self.level[tick].max(initial=0)),
            "of": "points" if column else "items",
            "members": len(names),
            "counts": {
                one.name.lower(): int(np.count_nonzero(level == one))
                for one in Level
                if one and np.any(level == one)
            },
            "highest_members": _named(names, (level == highest) & (level > 0)),
            "unknown": int(np.count_nonzero(doubt)),
            "unknown_members": _named(names, doubt > 0),
            "ladder": ladder.model_dump(exclude={"source"}),
            "source": ladder.source,
        }
        if column and self.plan.items[column - 1].near is not None:
            together, *_ = self._neighbours(tick, self.plan.items[column - 1])
            facts["confirmed"] = _word_or_none(together)
        return facts

    def document(self, tick: int) -> dict[str, Any]:
        """Say what came of one vote, and of each point that has a level or is not known."""
        return {
            "voted": int(self.voted[tick, 0]),
            "highest": int(self.level[tick].max(initial=0)),
            "points": len(self.plan.points),
            "unknown": int(np.count_nonzero(self.doubt[tick])),
            "items": [
                self._item_document(tick, column, item)
                for column, item in enumerate(self.plan.items, 1)
            ],
        }

    def _members(
        self, tick: int, column: int
    ) -> tuple[list[str], NDArray[np.int8], NDArray[np.int8]]:
        """Name the members of a column, with their levels, and doubts about these."""
        if column:
            points = self.plan.items[column - 1].points
            names = [self.plan.points[point] for point in points]
            return names, self.level[tick, points], self.doubt[tick, points]
        names = [item.item.id for item in self.plan.items]
        members = np.array([len(item.points) for item in self.plan.items])
        doubt = (self.unknown[tick, 1:] == members).astype(np.int8)
        return names, self.voted[tick, 1:], doubt

    def _item_document(self, tick: int, column: int, item: ItemPlan) -> dict[str, Any]:
        level, doubt = self.level[tick, item.points], self.doubt[tick, item.points]
        telling = np.flatnonzero((level > 0) | (doubt > 0)).tolist()
        document: dict[str, Any] = {
            "item": item.item.id,
            "voted": int(self.voted[tick, column]),
            "highest": int(self.highest[tick, column]),
            "confirmed": None,
            "unknown": int(self.unknown[tick, column]),
            "points": len(item.points),
        }
        neighbours: dict[int, dict[str, Any]] = {}
        if item.near is not None:
            together, verdict, reach, near = self._neighbours(tick, item)
            document["confirmed"] = None if together == UNKNOWN else int(together)
            neighbours = {
                n: {
                    "verdict": NeighbourVerdict(verdict[n]).name.lower(),
                    "reached_by": int(reach[n]),
                    "of": int(near[n]),
                }
                for n in telling
                if level[n]
            }
        document["telling"] = [
            {
                "channel": self.plan.points[item.points[n]],
                "level": int(level[n]),
                "doubt": _doubt(doubt[n]),
                "neighbours": neighbours.get(n),
            }
            for n in telling
        ]
        return document

    def _neighbours(
        self, tick: int, item: ItemPlan
    ) -> tuple[int, NDArray[np.int8], NDArray[np.int64], NDArray[np.int64]]:
        """Ask who confirms whom: the item's confirmed level, then by member verdict, so many of.

        What is not known confirms nothing, unless it has shown a level: silence takes none back.
        """
        asked = item.item.neighbours
        assert asked is not None
        assert item.near is not None
        at_us = self.at_us[tick : tick + 1]
        recent = level_of_points(self.lines, self.plan.points, at_us - item.window_us, at_us)[0]
        level = recent[item.points]
        level[(self.doubt[tick, item.points] > 0) & (level == 0)] = UNKNOWN
        found = confirmed(level, item.near, asked.at_least)
        owner = np.repeat(np.arange(len(level)), np.diff(item.near.first))
        reaches = level[item.near.member] >= np.maximum(level[owner], 1)
        reach = np.bincount(owner, weights=reaches, minlength=len(level)).astype(np.int64)
        return int(found.level.max(initial=UNKNOWN)), found.verdict, reach, found.members


def tally_of(
    plan: VotingPlan,
    at_us: NDArray[np.int64],
    lines: Mapping[About, Timeline],
    memory: Mapping[int, SourceMemory],
) -> Tally:
    """Take the votes of a structure at successive ticks."""
    level = level_of_points(lines, plan.points, at_us, at_us)
    doubt = _doubts(plan, at_us, lines, memory)
    by_item, whole = _votes(plan, level, doubt == Doubt.NONE)
    shape = len(at_us), len(plan.items)
    return Tally(
        plan=plan,
        channels=plan.voted,
        at_us=at_us,
        level=level,
        doubt=doubt,
        voted=np.column_stack([whole.voted, by_item.voted.reshape(shape)]),
        highest=np.column_stack([whole.highest, by_item.highest.reshape(shape)]),
        unknown=np.column_stack([whole.unknown, by_item.unknown.reshape(shape)]),
        lines=lines,
    )


def _votes(
    plan: VotingPlan,
    level: NDArray[np.int8],  # [tick, point]
    known: NDArray[np.bool_],  # [tick, point]
) -> tuple[Vote, Vote]:
    """Let points vote for items, [tick * item], and these for the structure, [tick]."""
    ticks, items = len(level), len(plan.items)
    member = np.concatenate([item.points for item in plan.items])
    sizes = np.array([len(item.points) for item in plan.items])
    tick = np.arange(ticks)[:, np.newaxis]
    of_item = tick * items + np.repeat(np.arange(items), sizes)
    ladder = plan.voting.ladder
    by_item = vote(
        level[:, member].ravel(),
        known[:, member].ravel(),
        of_item.ravel(),
        ticks * items,
        ladder,
    )
    some_known = by_item.unknown < np.tile(sizes, ticks)
    whole = vote(by_item.voted, some_known, np.repeat(np.arange(ticks), items), ticks, ladder)
    return by_item, whole


def level_of_points(
    lines: Mapping[About, Timeline],
    points: tuple[str, ...],
    since_us: NDArray[np.int64],
    until_us: NDArray[np.int64],
) -> NDArray[np.int8]:  # [instant, point]
    """Return the highest level that any rule of a point had in each span."""
    place = {key: n for n, key in enumerate(points)}
    level = np.zeros((len(until_us), len(points)), dtype=np.int8)
    for (key, rule), line in lines.items():
        if rule != WARMING and key in place:
            of_point = level[:, place[key]]
            np.maximum(of_point, line.highest(since_us, until_us), out=of_point)
    return level


def _doubts(
    plan: VotingPlan,
    at_us: NDArray[np.int64],
    lines: Mapping[About, Timeline],
    memory: Mapping[int, SourceMemory],
) -> NDArray[np.int8]:  # [tick, point]
    doubt = np.zeros((len(at_us), len(plan.points)), dtype=np.int8)
    place = {key: n for n, key in enumerate(plan.points)}
    for (key, rule), line in lines.items():
        if rule == WARMING:
            doubt[line.highest(at_us, at_us) > 0, place[key]] = Doubt.WARMING_UP
    oldest_us = at_us - plan.max_age_us
    for source in np.unique(plan.source).tolist():
        good_us, scan_us = memory[source].last_us(at_us)
        own = np.flatnonzero(plan.source == source)
        without = good_us[:, plan.slot[own]] < oldest_us[:, np.newaxis]
        silent = np.broadcast_to((scan_us < oldest_us)[:, np.newaxis], without.shape)
        doubt[:, own] = np.select(
            [without & silent, without], [Doubt.SILENT, Doubt.BAD], doubt[:, own]
        )
    return doubt


def _word(level: int | np.integer[Any]) -> str:
    return Level(int(level)).name.lower()


def _word_or_none(level: int) -> str | None:
    return None if level == UNKNOWN else _word(level)


def _doubt(doubt: int | np.integer[Any]) -> str | None:
    return Doubt(int(doubt)).name.lower() if doubt else None


def _named(names: Iterable[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [name for name, one in zip(names, chosen, strict=True) if one][:NAMED_MAX]
