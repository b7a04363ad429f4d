"""Blocks at the centre: refused with a reason, or judged, whatever clocks and numbers they hold."""

import random
import struct
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from fuzz.dice import Dice
from fuzz.target import Target, check_sentence
from ingest_site import BEGAN_US, MINUTE_US, plan_in, site_document

from ingest.judging import (
    BlockRefusedError,
    JudgedBlock,
    SiteKnowledge,
    judge_block,
    read_block,
)
from ingest.stamps import Receipt, StampState
from telemetry.conversion import GroupConverter
from telemetry.quality import FIRST_BAD
from telemetry.scan import ScanBlock
from telemetry.wire import encode_block

PLAN = plan_in(site_document())
KNOWN = SiteKnowledge(
    plan=PLAN,
    began_us=BEGAN_US,
    layouts={(group.key, group.layout): group.slot_count for group in PLAN.groups},
    converters=tuple(GroupConverter(group) for group in PLAN.groups),
)
NOW_US = BEGAN_US + 90_000 * MINUTE_US
DOUBLE = struct.Struct(">d")
QUALITIES = (0, 0, 0, 1, 100, 101, 111, 32_767)
BLOCKS_MAX = 6


def read(data: bytes) -> str:
    """Blocks of one group, one after the other, as an edge with any clock sends them."""
    chance = Dice(data)
    group = chance.choice(("levels", "pressures", "cracks"))
    edge = "hill-edge" if group == "cracks" else "dam-edge"
    state, now_us, came = StampState(-1), NOW_US, set()
    for _ in range(1 + chance.randrange(BLOCKS_MAX)):
        now_us += chance.choice((0, MINUTE_US, -2 * MINUTE_US, 2_000 * MINUTE_US))
        content = encode_block(any_block(chance, group, now_us))
        try:
            block, plan = read_block(content, edge=edge, known=KNOWN)
        except BlockRefusedError as error:
            check_sentence(error.message)
            came.add(error.reason)
            continue
        receipt = Receipt(1 + chance.randrange(2), now_us, BEGAN_US)
        converter = KNOWN.converters[plan.index]
        judged = judge_block(block, plan, converter=converter, receipt=receipt, stamps=state)
        check(judged, state)
        state = judged.stamps
        came.add("wild" if judged.wild.any() else "late" if judged.late_count else "judged")
    return next(one for one in OUTCOMES if one in came)


def check(block: JudgedBlock, before: StampState) -> None:
    seen = block.seen
    judged_us = [before.newest_us, *seen.judged_us.tolist()]
    assert all(one < other for one, other in pairwise(judged_us)), "judged time goes back"
    assert block.stamps.newest_us == judged_us[-1]
    bad = seen.quality >= FIRST_BAD
    assert np.isfinite(seen.value[~bad]).all(), "a value that may be judged is no number"
    assert np.isnan(seen.value[bad]).all(), "a bad reading has a value"
    assert block.raw.shape[1] >= seen.raw.shape[1] == seen.value.shape[1]


def any_block(chance: Dice, group: str, now_us: int) -> ScanBlock:
    plan = PLAN.group_by_key[group]
    scans = 1 + chance.randrange(5)
    slots = plan.slot_count + (chance.randrange(16) == 15)
    at_us = now_us - scans * MINUTE_US + MINUTE_US * np.arange(scans)
    monotonic_us = at_us - NOW_US
    for column in (at_us, monotonic_us):
        if chance.randrange(3) == 2:
            place = chance.randrange(scans)
            column[place] = chance.choice(
                (-(2**63), 2**63 - 1, 0, int(column[place]) + chance.getrandbits(32) - 2**31)
            )
    numbers = [DOUBLE.unpack(chance.randbytes(8))[0] for _ in range(scans * slots)]
    quality = [chance.choice(QUALITIES) for _ in range(scans * slots)]
    return ScanBlock(
        site=chance.choice(("mine",) * 15 + ("pit",)),
        group=chance.choice((group,) * 15 + ("sums",)),
        layout=plan.layout + (chance.randrange(16) == 15),
        sampled_us=at_us,
        monotonic_us=monotonic_us,
        raw=np.array(numbers).reshape(scans, slots),
        quality=np.array(quality, np.int16).reshape(scans, slots),
        in_order=chance.randrange(3) > 0,
    )


def seeds() -> Iterator[bytes]:
    chance = random.Random(13)
    for _ in range(150):
        yield chance.randbytes(chance.choice((40, 200, 600)))


OUTCOMES = (
    "wrong_site",
    "unknown_group",
    "unknown_layout",
    "wrong_width",
    "wild",
    "late",
    "judged",
)
TARGET = Target(read=read, seeds=seeds, outcomes=OUTCOMES, bytes_max=2_048, short_runs=400)
