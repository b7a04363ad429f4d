"""Judging blocks: what is refused and why, and what a good block becomes."""

import numpy as np
import pytest
from ingest_site import BEGAN_US, MINUTE_US, NAN, block, group_in, plan_in, site_document

from ingest.judging import BlockRefusedError, JudgedBlock, SiteKnowledge, judge_block, read_block
from ingest.stamps import Receipt, StampState
from telemetry.conversion import GroupConverter
from telemetry.plan import SitePlan
from telemetry.quality import Quality

PLAN = plan_in(site_document())
NOW_US = BEGAN_US + 60 * MINUTE_US


def knowledge(plan: SitePlan = PLAN, *others: SitePlan) -> SiteKnowledge:
    return SiteKnowledge(
        plan=plan,
        began_us=0,
        layouts={
            (group.key, group.layout): group.slot_count
            for one in (plan, *others)
            for group in one.groups
        },
        converters=tuple(GroupConverter(group) for group in plan.groups),
    )


def judged(content: bytes, known: SiteKnowledge | None = None) -> JudgedBlock:
    known = known or knowledge()
    scans, group = read_block(content, edge="dam-edge", known=known)
    return judge_block(
        scans,
        group,
        converter=known.converters[group.index],
        receipt=Receipt(1, NOW_US, BEGAN_US),
        stamps=StampState(newest_us=-1),
    )


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (b"", "malformed", "do not begin"),
        (block(PLAN, "levels", [[1.0, 2.0]], site="pit"), "wrong_site", "'pit'"),
        (block(PLAN, "nowhere", [[1.0]]), "unknown_group", "'nowhere'"),
        (block(PLAN, "sums", [[1.0]]), "unknown_group", "'sums'"),
        (block(PLAN, "cracks", [[1.0]]), "wrong_edge", "'hill-edge'"),
        (block(PLAN, "levels", [[1.0, 2.0]], layout=4711), "unknown_layout", "4711"),
        (block(PLAN, "levels", [[1.0]]), "wrong_width", "2 slots"),
    ],
)
def test_what_is_refused(content: bytes, reason: str, words: str) -> None:
    with pytest.raises(BlockRefusedError, match=words) as refused:
        read_block(content, edge="dam-edge", known=knowledge())

    assert refused.value.reason == reason


def test_readings_are_converted_and_raw_numbers_stay() -> None:
    found = judged(block(PLAN, "pressures", [[8.0, 2000.0], [NAN, 5.0]]))

    np.testing.assert_array_equal(found.judged.value, [[4.0, NAN], [NAN, 5.0]])
    np.testing.assert_array_equal(found.raw, [[8.0, 2000.0], [NAN, 5.0]])
    assert found.judged.quality.tolist() == [
        [Quality.GOOD, Quality.OUT_OF_RANGE],
        [Quality.NO_REPLY, Quality.GOOD],
    ]
    assert found.stamps.newest_us == BEGAN_US + 2 * MINUTE_US


def test_a_suspect_clock_taints_good_readings_only() -> None:
    ahead = NOW_US + 10 * MINUTE_US

    found = judged(block(PLAN, "levels", [[1.0, NAN]], at_us=[ahead]))

    assert found.judged.quality.tolist() == [[Quality.CLOCK_SUSPECT, Quality.NO_REPLY]]
    assert found.judged.judged_us.tolist() == [NOW_US]
    assert found.judged.sampled_us.tolist() == [ahead]
    assert not found.wild.any()


def test_a_block_of_an_older_layout_has_no_values_in_new_slots() -> None:
    older = site_document()
    del group_in(older, "levels")["channels"][1]
    old_plan = plan_in(older)

    found = judged(block(old_plan, "levels", [[1.0]]), knowledge(PLAN, old_plan))

    np.testing.assert_array_equal(found.judged.value, [[1.0, NAN]])
    assert found.judged.quality.tolist() == [[Quality.GOOD, Quality.NO_VALUE]]
    assert found.width == 2


def test_a_block_of_a_wider_layout_keeps_its_raw_numbers() -> None:
    newer = site_document()
    del group_in(newer, "levels")["channels"][1]
    new_plan = plan_in(newer)

    found = judged(block(PLAN, "levels", [[1.0, 7.0]]), knowledge(new_plan, PLAN))

    assert found.judged.value.tolist() == [[1.0]]
    assert found.raw.tolist() == [[1.0, 7.0]]
    assert found.width == 2
