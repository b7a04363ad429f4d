"""What a flush brings to one site: its order, its complaints, its silences, its room."""

from uuid import UUID

from ingest_site import BEGAN_US, HOUR_US, MINUTE_US, block, plan_in, site_document

from historian.partition import partition_name
from historian.registry import SiteIds
from ingest.desk import SiteDesk, open_desk
from ingest.inbox import Arrival, Line, Stream
from ingest.preparation import Prepared, prepare
from telemetry.ranges import RangeSet
from telemetry.uplink import BlockReceived, CentreSide, LostDeclared

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


def calling(at: SiteDesk, edge: str, *, next_seq: int, now_s: float) -> Stream:
    """A stream whose edge has just said hello."""
    called = stream(edge, len(edge))
    at.streams[edge, called.epoch] = called
    called.line = Line(CentreSide())
    at.greet(called, next_seq, now_s, round(now_s * 1_000_000))
    return called


def looked_until(at: SiteDesk, now_s: float) -> None:
    """Listen all the time until then: nobody slept."""
    at.hearing.listened_s = now_s


def arrival(of: Stream, seq: int, content: bytes, *, received_us: int = NOW_US) -> Arrival:
    return Arrival(of, BlockReceived(seq, content, b""), received_us, heard_s=0.0)


def prepared(
    at: SiteDesk,
    *arrivals: Arrival,
    now_s: float = 0.0,
    condemned: Arrival | None = None,
    settled: bool = True,
) -> Prepared:
    return prepare(
        at, arrivals, now_us=NOW_US, now_s=now_s, rate=1.0, settled=settled, condemned=condemned
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


def test_nobody_is_silent_or_excused_before_the_centre_has_settled() -> None:
    at = desk()
    prepared(at, arrival(stream(), 1, block(PLAN, "levels", [[1.0, 0.0]])))
    prepared(at, arrival(stream("hill-edge", 2), 1, block(PLAN, "cracks", [[1.0]])))
    both = block(PLAN, "levels", [[1.0, 0.0]], first=2)
    looked_until(at, 200.0)

    flush = prepared(at, arrival(stream(), 2, both), now_s=200.0, settled=False)

    assert (flush.silences, flush.ticks) == ((), ())


def test_an_edge_that_is_not_back_yet_is_silent_only_after_a_while() -> None:
    at = desk()
    at.known_edges = {("mine", "dam-edge"), ("mine", "hill-edge")}
    calling(at, "dam-edge", next_seq=1, now_s=0.0)
    looked_until(at, 181.0)
    at.hearing.heard_s[:] = -500.0

    assert not at.settle(waiting_since_s=152.0, now_s=181.0)
    assert at.settle(waiting_since_s=152.0, now_s=182.0)
    assert [one.group for one in prepared(at, now_s=182.0).silences] == [LEVELS, PRESSURES]
    looked_until(at, 363.0)
    at.hearing.heard_s[:2] = 363.0
    assert prepared(at, now_s=362.0).silences == ()
    assert [one.group for one in prepared(at, now_s=362.5).silences] == [CRACKS]
    at.await_edges_again()
    assert not at.settle(waiting_since_s=362.0, now_s=363.0)


def test_an_edge_is_back_once_it_has_delivered_what_it_had() -> None:
    at = desk()
    at.known_edges = {("mine", "hill-edge")}
    hill = calling(at, "hill-edge", next_seq=4, now_s=0.0)
    hill.settle([(1, 2)])
    assert not at.settle(waiting_since_s=0.0, now_s=5.0)

    hill.settle([(3, 3)])
    assert at.settle(waiting_since_s=0.0, now_s=5.0)


def test_a_group_whose_backlog_is_coming_is_neither_excused_nor_silent() -> None:
    at = desk()
    dam, hill = stream(), calling(at, "hill-edge", next_seq=4, now_s=0.0)
    looked_until(at, 1000.0)

    def flushed() -> tuple[int, bool]:
        """How many ticks are due with the dam's levels, and whether the hill falls silent."""
        levels = block(PLAN, "levels", [[1.0, 0.0]] * 3)
        at.resume(at.engine.initial_state(), 0, 0)
        at.hearing.heard_s[:] = 0.0
        flush = prepared(at, arrival(dam, 1, levels), now_s=1000.0)
        return len(flush.ticks), CRACKS in [one.group for one in flush.silences]

    hill.moved_s = 990.0
    assert flushed() == (0, False)

    hill.moved_s = 960.0  # The line is open, but nothing comes.
    assert flushed() == (3, True)

    hill.moved_s = 990.0
    hill.settle([(1, 3)])
    assert flushed() == (3, True)


def test_an_edge_that_calls_is_given_time_but_only_once() -> None:
    at = desk()
    looked_until(at, 1000.0)
    hill = calling(at, "hill-edge", next_seq=1, now_s=900.0)
    assert [one.group for one in prepared(at, now_s=1000.0).silences] == [LEVELS, PRESSURES]

    looked_until(at, 1100.0)
    calling(at, "hill-edge", next_seq=1, now_s=1050.0)
    assert CRACKS in [one.group for one in prepared(at, now_s=1100.0).silences]

    prepared(at, arrival(hill, 1, b"rubbish"), now_s=1100.0)
    calling(at, "hill-edge", next_seq=1, now_s=1100.0)
    assert CRACKS not in [one.group for one in prepared(at, now_s=1100.0).silences]


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
