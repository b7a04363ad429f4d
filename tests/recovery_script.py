"""What happens at a mine in half an hour, as a list of steps that a run may be cut between.

Two edges send three groups, with violations, delays that run across blocks, bad readings and
scans that come again: the same, completed, and contradicted. A group falls silent, one edge's
clock is set back for a while, operators answer. Every receipt has its instant, so that
a run is the same however it is cut.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ingest_site import BEGAN_US, MINUTE_US, NAN, SECOND_US, block, plan_in, site_document

MINUTES = 24
SILENT_FROM = 12  # Pressures say nothing for a while; nothing is calculated from them.
SILENT_UNTIL = 18
SET_BACK = range(7, 16)  # Minutes in which the hill's clock is wrong.
SET_BACK_US = 90 * MINUTE_US + 7 * SECOND_US
EDGE_OF = {"levels": "dam-edge", "pressures": "dam-edge", "cracks": "hill-edge"}
PLAN = plan_in(site_document())


@dataclass(frozen=True)
class Arrive:
    """A block comes over an edge's line."""

    edge: str
    seq: int
    content: bytes
    received_us: int


@dataclass(frozen=True)
class FallSilent:
    """A group has not been heard for long enough."""

    group: str


@dataclass(frozen=True)
class Answer:
    """An operator acknowledges what stands open about a channel's limit, if anything does."""

    channel: str
    at_us: int


Step = Arrive | FallSilent | Answer


def script(seed: int) -> list[Step]:
    """Write the steps of one half hour."""
    return list(_Author(random.Random(seed)).steps())


class _Author:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._seqs = dict.fromkeys(EDGE_OF.values(), 0)
        self._waiting: dict[str, list[tuple[int, list[float]]]] = {key: [] for key in EDGE_OF}
        self._newest: dict[str, tuple[int, list[float]]] = {}

    def steps(self) -> Iterator[Step]:
        for minute in range(1, MINUTES + 1):
            for group in EDGE_OF:
                if group == "pressures" and SILENT_FROM <= minute < SILENT_UNTIL:
                    continue
                self._waiting[group].append((minute, self._row(group)))
                if self._chance.random() < 0.7 or minute == MINUTES:
                    yield self._send(group, minute)
            if minute == SILENT_FROM + 3:
                if self._waiting["pressures"]:
                    yield self._send("pressures", minute)
                yield FallSilent("pressures")
            if minute % 5 == 4:
                group = self._chance.choice(["levels", "cracks"])
                if self._waiting[group]:
                    yield self._send(group, minute)
                yield self._again(group, minute)
            if minute % 6 == 5:
                yield Answer(self._chance.choice(["pond", "crack"]), _at(minute) + 30 * SECOND_US)

    def _row(self, group: str) -> list[float]:
        def reading(low: float, high: float) -> float:
            return NAN if self._chance.random() < 0.2 else self._chance.uniform(low, high)

        if group == "levels":
            return [reading(0.0, 25.0), reading(0.0, 8.0)]
        if group == "pressures":
            return [reading(0.0, 10.0), reading(-50.0, 1200.0)]
        return [reading(45.0, 110.0)]

    def _send(self, group: str, minute: int) -> Arrive:
        rows, self._waiting[group] = self._waiting[group], []
        self._newest[group] = rows[-1]
        wrong_us = [SET_BACK_US * (group == "cracks" and taken in SET_BACK) for taken, _ in rows]
        content = block(
            PLAN,
            group,
            [row for _, row in rows],
            at_us=[_at(taken) - us for (taken, _), us in zip(rows, wrong_us, strict=True)],
            monotonic_us=[_at(taken) - BEGAN_US for taken, _ in rows],
        )
        return self._arrival(group, content, _at(minute) + SECOND_US)

    def _again(self, group: str, minute: int) -> Arrive:
        """Send the newest scan once more, with some of its numbers missing, added or changed."""
        taken, row = self._newest[group]
        other = self._row(group)
        again = [self._chance.choice([old, NAN, new]) for old, new in zip(row, other, strict=True)]
        received_us = _at(minute) + 2 * SECOND_US
        content = block(
            PLAN, group, [again], at_us=[_at(taken)], monotonic_us=[received_us - BEGAN_US - 700]
        )
        return self._arrival(group, content, received_us)

    def _arrival(self, group: str, content: bytes, received_us: int) -> Arrive:
        edge = EDGE_OF[group]
        self._seqs[edge] += 1
        return Arrive(edge, self._seqs[edge], content, received_us)


def _at(minute: int) -> int:
    return BEGAN_US + minute * MINUTE_US
