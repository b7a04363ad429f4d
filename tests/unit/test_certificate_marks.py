"""When the end of a certificate is told, as plain values, and what the engine makes of it."""

from hypothesis import given
from hypothesis import strategies as st
from ingest_site import BEGAN_US, plan_in, site_document

from alarms.checkpoint import decode, encode
from alarms.engine import SiteEngine
from alarms.transition import EDGE_CERTIFICATE, Change, Happening, Inputs, Phase, Transition
from ingest.certificate_marks import DAY_US, Standing, Watched, due

PLAN = plan_in(site_document())
ENDS_US = BEGAN_US + 400 * DAY_US


def watched(serial: str = "a", ends_us: int = ENDS_US, subject: str = "dam-edge") -> Watched:
    return Watched(subject, EDGE_CERTIFICATE, "dam", serial, ends_us)


class Centre:
    """Looks, records and judges, without a database: the alarm list is made from transitions."""

    def __init__(self) -> None:
        self.engine = SiteEngine(PLAN)
        self.state = self.engine.initial_state()
        self.inputs: list[Happening] = []
        self.told: list[Transition] = []
        self.standing: dict[tuple[str, str], Standing] = {}

    def look(self, now_us: int, *certificates: Watched) -> list[Transition]:
        found = due(certificates, list(self.standing.values()), now_us=now_us, at_us=now_us)
        self.inputs += found
        outcome = self.engine.step(self.state, Inputs(happenings=tuple(found)))
        for one in outcome.transitions:
            key = (one.channel, one.rule)
            if one.change is Change.CLEAR:
                del self.standing[key]
            else:
                detail = one.evidence
                self.standing[key] = Standing(
                    *key, one.structure, detail["serial"], detail["mark_days"]
                )
        self.told += outcome.transitions
        return list(outcome.transitions)


def days_before(days: float) -> int:
    return ENDS_US - round(days * DAY_US)


def test_one_alarm_is_told_at_each_of_the_four_marks() -> None:
    centre = Centre()
    told = [
        (days, one.change, one.evidence["mark_days"])
        for days in [40 - half / 2 for half in range(100)]
        for one in centre.look(days_before(days), watched())
    ]
    assert told == [
        (30, Change.RAISE, 30),
        (14, Change.RISE, 14),
        (7, Change.RISE, 7),
        (1, Change.RISE, 1),
    ]
    assert len({one.occurrence for one in centre.told}) == 1


def test_a_certificate_that_is_found_late_is_told_once() -> None:
    centre = Centre()
    assert [one.change for one in centre.look(days_before(3), watched())] == [Change.RAISE]
    assert centre.look(days_before(2), watched()) == []


def test_a_new_certificate_ends_the_alarm() -> None:
    centre = Centre()
    centre.look(days_before(10), watched())
    new = watched("b", ENDS_US + 700 * DAY_US)
    (cleared,) = centre.look(days_before(9), new)
    assert cleared.change is Change.CLEAR
    assert cleared.evidence["replaced_by"] == "b"
    assert centre.look(days_before(8), new) == []


def test_a_new_certificate_that_ends_soon_itself_is_told_anew() -> None:
    centre = Centre()
    centre.look(days_before(10), watched())
    changes = [one.change for one in centre.look(days_before(9), watched("b"))]
    assert changes == [Change.CLEAR, Change.RAISE]


def test_an_edge_that_is_gone_ends_its_alarm() -> None:
    centre = Centre()
    centre.look(days_before(10), watched())
    assert [one.change for one in centre.look(days_before(9))] == [Change.CLEAR]


def test_a_new_site_file_does_not_end_it() -> None:
    """No rule of a file holds it, so none that has left one may clear it."""
    centre = Centre()
    centre.look(days_before(10), watched())
    restarted = decode(centre.engine, encode(centre.engine, centre.state))
    assert centre.engine.step(restarted, Inputs()).transitions == ()
    assert len(restarted.alarms) == 1


LOOKS = st.lists(
    st.tuples(st.floats(-3, 45), st.sampled_from(["a", "b", "none"]), st.floats(0, 60)), max_size=25
)


@given(LOOKS)
def test_a_replay_of_what_was_recorded_says_the_same(
    looks: list[tuple[float, str, float]],
) -> None:
    centre = Centre()
    for number, (days, serial, more) in enumerate(sorted(looks, key=lambda one: -one[0])):
        known = [] if serial == "none" else [watched(serial, ENDS_US + round(more) * DAY_US)]
        centre.look(days_before(days) + number, *known)

    state = centre.engine.initial_state()
    replayed: list[Transition] = []
    for one in centre.inputs:  # As it comes from the database: text in place of the enumeration.
        body = Happening(
            one.subject,
            one.rule,
            one.structure,
            one.at_us,
            one.detail,
            str(one.phase),  # type: ignore[arg-type]
        )
        replayed += centre.engine.step(state, Inputs(happenings=(body,))).transitions
    assert [one.key for one in replayed] == [one.key for one in centre.told]
    assert len({one.key for one in centre.told}) == len(centre.told)
    assert all(one.phase in Phase for one in centre.inputs)
