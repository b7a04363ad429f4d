"""What a flush brings to one site: its order, its complaints, its silences, its room."""

from uuid import UUID

from ingest_site import BEGAN_US, HOUR_US, MINUTE_US, block, plan_in, site_document

from historian.partition import partition_name
from historian.registry import SiteIds
from ingest.desk import SiteDesk, open_desk
from ingest.inbox import Arrival, Stream
from ingest.preparation import Prepared, prepare
from telemetry.ranges import RangeSet
from telemetry.uplink import BlockReceived, LostDeclared

PLAN = plan_in(site_document())
LEVELS, PRESSURES, CRACKS, SUMS = range(4)
IDS = SiteIds(1, 1, (11, 12, 13, 14))
NOW_US = BEGAN_US + HOUR_US
EIGHT_DAYS_US = 8 * 24 * HOUR_US


def desk() -> SiteDesk:
    opened = open_desk(
        PLAN,
        IDS,
        term=1,
        layouts={(IDS.group_ids[one.index], one.layout): one.slot_count for one in PLAN.groups},
        known_edges=set(),
        now_s=0.0,
    )
    opened.resume(opened.engine.initial_state(), 0, 0)
    return opened


def stream(edge: str = "dam-edge", number: int = 1) -> Stream:
    return Stream("mine", edge, UUID(int=number), number, RangeSet())


def arrival(of: Stream, seq: int, content: bytes, *, received_us: int = NOW_US) -> Arrival:
    return Arrival(of, BlockReceived(seq, content, b""), received_us, heard_s=0.0)


def prepared(
    at: SiteDesk, *arrivals: Arrival, now_s: float = 0.0, condemned: Arrival | None = None
) -> Prepared:
    return prepare(
        at, arrivals, now_us=NOW_US, now_s=now_s, rate=1.0, settled=True, condemned=condemned
    )


def test_scans_stand_in_the_order_of_groups_streams_and_blocks() -> None:
    dam, hill = stream(), stream("hill-edge", 2)

    flush = prepared(
        desk(),
        arrival(hill, 1, block(PLAN, "cracks", [[1.0]])),
        arrival(dam, 1, block(PLAN, "pressures", [[2.0, 0.0]])),
        arrival(dam, 2, block(PLAN, "levels", [[3.0, 0.0], [4.0, 0.0]])),
        arrival(dam, 3, block(PLAN, "levels", [[5.0, 0.0]], first=3)),
        arrival(hill, 2, block(PLAN, "cracks", [[6.0]], first=2)),
    )

    assert [one.group for one in flush.scans] == [LEVELS, PRESSURES, CRACKS]
    assert flush.scans[0].raw[:, 0].tolist() == [3.0, 4.0, 5.0]
    assert flush.scans[2].raw[:, 0].tolist() == [1.0, 6.0]
    assert [(tick.group, tick.at_us - BEGAN_US) for tick in flush.ticks] == [
        (SUMS, MINUTE_US),
        (SUMS, 2 * MINUTE_US),
    ]


def test_a_condemned_block_is_not_judged_again() -> None:
    at, dam = desk(), stream()
    culprit = arrival(dam, 1, block(PLAN, "levels", [[99.0, 0.0]], first=50))

    flush = prepared(
        at, culprit, arrival(dam, 2, block(PLAN, "levels", [[1.0, 0.0]])), condemned=culprit
    )

    assert [(one.event.seq, one.reason) for one in flush.refused] == [(1, "not_storable")]
    assert [one.event.seq for one in flush.good] == [2]
    assert at.stamps[LEVELS].newest_us == BEGAN_US + MINUTE_US
    assert [one.rule for one in flush.happenings] == ["quarantined_not_storable"]


def test_a_complaint_counts_only_once_the_flush_is_committed() -> None:
    at, dam = desk(), stream()

    def complaints(seq: int, received_us: int) -> tuple[int, Prepared]:
        flush = prepared(at, arrival(dam, seq, b"rubbish", received_us=received_us))
        return len(flush.happenings), flush

    assert complaints(1, NOW_US)[0] == 1
    count, flush = complaints(1, NOW_US)  # The first one failed.
    assert count == 1
    at.complaints = flush.complaints
    assert complaints(2, NOW_US + MINUTE_US - 1)[0] == 0
    assert complaints(3, NOW_US + MINUTE_US)[0] == 1


def test_every_declared_loss_is_told() -> None:
    dam = stream()
    losses = [LostDeclared(1, 4, "the spool was full"), LostDeclared(9, 9, "the spool was full")]

    flush = prepared(desk(), *(Arrival(dam, one, NOW_US, 0.0) for one in losses))

    assert [(one.rule, one.detail["first"]) for one in flush.happenings] == [
        ("declared_lost", 1),
        ("declared_lost", 9),
    ]
    assert {one.structure for one in flush.happenings} == {"dam"}
    assert not flush.empty


def test_silence_counts_from_the_last_scan_or_from_now() -> None:
    at = desk()
    prepared(at, arrival(stream(), 1, block(PLAN, "levels", [[1.0, 0.0]])))
    for second in range(1, 181):
        assert prepared(at, now_s=float(second)).silences == ()

    silences = prepared(at, now_s=180.5).silences

    assert [(one.group, one.last_sampled_us) for one in silences] == [
        (LEVELS, BEGAN_US + MINUTE_US),
        (PRESSURES, NOW_US - 3 * MINUTE_US),
        (CRACKS, NOW_US - 3 * MINUTE_US),
    ]


def test_time_in_which_nobody_looked_is_nobodys_silence() -> None:
    at = desk()

    assert prepared(at, now_s=3600.0).silences == ()


def test_room_is_asked_for_the_weeks_that_are_needed() -> None:
    dam = stream()
    years_ago = NOW_US - 100 * EIGHT_DAYS_US

    flush = prepared(
        desk(),
        arrival(dam, 1, block(PLAN, "levels", [[1.0, 0.0]], at_us=[years_ago])),
        arrival(dam, 2, block(PLAN, "levels", [[1.0, 0.0]])),
        arrival(dam, 3, block(PLAN, "pressures", [[1.0, 0.0]], at_us=[1])),  # Wild: stored nowhere.
    )

    assert sorted(partition_name(week) for week in flush.weeks_us) == [
        "scan_20230417",
        "scan_20250630",
    ]
    assert prepared(desk()).weeks_us == set()
