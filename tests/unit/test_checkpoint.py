"""Checkpoints: what comes back, what outlives a new configuration, and what is refused."""

import io
import json
from dataclasses import fields

import numpy as np
import pytest
import zstandard
from engine_sites import BEGAN_US, MINUTE_US, Watch, calculated, channel, limit, plan, scans

from alarms.checkpoint import MAGIC, RULE_COLUMNS, CheckpointError, decode, encode
from alarms.engine import SiteEngine
from alarms.engine_state import NEVER_US
from alarms.rules import subject_key
from alarms.transition import AlarmState, Change, Happening, Inputs, Silence
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Level

LIMITS = [limit(blue=10.0, red=20.0, on_delay_s=60.0)]
RATES = [limit(blue=6.0, window_s=120.0)]
TOTAL = calculated("total", 0, "a + b", inputs={"a": "a", "b": "b"})


def site(*, calculated_too: bool = True, **channels: object) -> SitePlan:
    first = channels.get("first", [channel("a", 0, limits=LIMITS), channel("b", 2)])
    second = channels.get("second", [channel("c", 0, rate_limits=RATES), channel("e", 1)])
    return plan(
        {"first": first, "second": second},  # type: ignore[dict-item]
        {"sums": [TOTAL]} if calculated_too else None,
    )


def row(minute: int, a: float, b: float) -> JudgedScans:
    """A scan of the first group; a value that is NaN is out of its instrument's range."""
    value = np.array([[a, np.nan, b]])
    quality = np.where(np.isnan(value), Quality.OUT_OF_RANGE, Quality.GOOD)
    return scans(0, [BEGAN_US + minute * MINUTE_US], value, quality=quality)


def lived() -> Watch:
    """A watch with something in every column."""
    watch = Watch(site())
    for minute in range(6):
        at_us = [BEGAN_US + minute * MINUTE_US]
        second = scans(1, at_us, [[float(minute**2), np.nan]])  # Whatever e is, it was not read.
        watch.flush(row(minute, 9.0 + minute, np.nan), second)
    watch.flush(
        row(6, 25.0, 1.0),
        silences=(Silence(1, BEGAN_US + 5 * MINUTE_US),),
        happenings=(Happening("edge", "declared_lost", None, BEGAN_US, {"first": 1}),),
    )
    return watch


def assert_same(one: object, other: object) -> None:
    for field in fields(one):  # type: ignore[arg-type]
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, theirs, field.name)
            assert mine.dtype == theirs.dtype
        elif field.name == "memory":
            assert mine.keys() == theirs.keys()
            for group in mine:
                assert_same(mine[group], theirs[group])
        elif field.name == "votes":
            assert_same(mine, theirs)
        elif field.name == "screens":
            for screen in fields(mine):
                pairs = zip(getattr(mine, screen.name), getattr(theirs, screen.name), strict=True)
                for column, same in pairs:
                    np.testing.assert_array_equal(column, same, screen.name)
        else:
            assert mine == theirs, field.name


def test_everything_comes_back() -> None:
    watch = lived()
    assert watch.state.alarms
    assert watch.state.silent.any()
    assert len(watch.state.memory[0].at_us) == 0
    assert watch.state.memory[0].held_us.max() > 0
    assert_same(watch.state, decode(watch.engine, encode(watch.engine, watch.state)))


def test_a_fresh_state_comes_back() -> None:
    engine = SiteEngine(site())
    assert_same(engine.initial_state(), decode(engine, encode(engine, engine.initial_state())))


def test_rows_follow_their_names_through_a_new_configuration() -> None:
    watch = lived()
    changed = site(
        first=[
            channel("new", 1, limits=LIMITS),
            channel("b", 2),
            channel("a", 3, limits=[limit("low", blue=0.0), *LIMITS]),
        ],
        second=[channel("d", 1), channel("c", 0, rate_limits=[limit(red=1e9, window_s=60.0)])],
    )
    engine = SiteEngine(changed)
    state = decode(engine, encode(watch.engine, watch.state))
    names = [f"{subject_key(changed, one)}/{one.key}" for one in engine.rules.rules]
    believed = {name for name, level in zip(names, state.believed, strict=True) if level}
    assert believed == {"a/limit_high", "b/quality", "second/unreadable"}
    assert state.newest_us.tolist() == watch.state.newest_us.tolist()
    assert (state.anchor_us == NEVER_US).all()
    # The sum goes on: what is remembered of a stands in another slot now.
    held = state.memory[0].held_us
    assert held.tolist() == [NEVER_US, NEVER_US, *[BEGAN_US + 6 * MINUTE_US] * 2]
    assert state.memory[0].held_value[3] == 25.0


def test_an_alarm_whose_rule_is_gone_is_cleared_by_the_next_step_and_then_acknowledged() -> None:
    watch = lived()
    engine = SiteEngine(site(first=[channel("a", 0), channel("b", 2)]))
    state = decode(engine, encode(watch.engine, watch.state))
    outcome = engine.step(state, Inputs())
    (cleared,) = outcome.transitions
    assert (cleared.change, cleared.channel, cleared.rule) == (Change.CLEAR, "a", "limit_high")
    assert cleared.state is AlarmState.RETURNED_UNACKNOWLEDGED
    assert engine.step(state, Inputs()).transitions == ()


def test_channels_that_become_inputs_are_not_computed_for_times_before() -> None:
    watch = Watch(site(calculated_too=False))
    watch.flush(row(1, 1.0, 1.0))
    later = Watch(site())
    later.state = decode(later.engine, encode(watch.engine, watch.state))
    outcome = later.flush(row(600, 1.0, 1.0))
    first = outcome.calculated[0].at_us[0]
    assert first == BEGAN_US + MINUTE_US  # The newest scan before the change; not before it.
    watch.flush(row(500, 1.0, 1.0))
    later.state = decode(later.engine, encode(watch.engine, watch.state))
    outcome = later.flush(row(501, 1.0, 1.0))
    assert outcome.calculated[0].at_us[0] == BEGAN_US + 500 * MINUTE_US


def test_a_checkpoint_from_before_a_rule_was_invented_is_still_read() -> None:
    watch = lived()
    data = encode(watch.engine, watch.state)
    state = decode(watch.engine, without_rules(data, "/unreadable"))
    names = [one.key for one in watch.engine.rules.rules]
    old = [n for n, name in enumerate(names) if name != "unreadable"]
    new = [n for n, name in enumerate(names) if name == "unreadable"]
    assert state.believed[old].tolist() == watch.state.believed[old].tolist()
    assert state.believed[new].tolist() == [0, 0]
    assert state.since_us[:, new].tolist() == [[NEVER_US, NEVER_US]] * 4


def test_a_new_technical_level_neither_clears_nor_raises_what_goes_on() -> None:
    def unit(level: str) -> Watch:
        return Watch(plan({"unit": [channel("a", 0), channel("b", 1)]}, technical_level=level))

    def minute(number: int, a: Quality, b: Quality) -> JudgedScans:
        return scans(0, [BEGAN_US + number * MINUTE_US], [[1.0, 1.0]], quality=[[a, b]])

    good, dead, broken = Quality.GOOD, Quality.NO_REPLY, Quality.ELECTRICAL
    before, after = unit("yellow"), unit("red")
    for number in range(3):
        before.flush(minute(number, dead, broken))
    after.state = decode(after.engine, encode(before.engine, before.state))
    for number in range(3, 6):
        after.flush(minute(number, dead, broken))
    assert after.told == []
    for number in range(6, 9):
        after.flush(minute(number, good, good))
    assert [(one.rule, one.change) for one in after.told] == [
        ("unreadable", Change.CLEAR),
        ("quality", Change.CLEAR),
    ]
    for number in range(9, 12):
        after.flush(minute(number, dead, good))
    assert (after.told[-1].rule, after.told[-1].level) == ("unreadable", Level.RED)


def without_rules(data: bytes, ending: str) -> bytes:
    """Write a checkpoint as a program would that knew no rules of such a name."""
    with np.load(io.BytesIO(zstandard.decompress(data[len(MAGIC) :]))) as members:
        arrays = {name: members[name] for name in members.files}
    header = json.loads(arrays["header"].tobytes())
    kept = [n for n, name in enumerate(header["rules"]) if not name.endswith(ending)]
    assert len(kept) < len(header["rules"])
    header["rules"] = [header["rules"][n] for n in kept]
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    for name in RULE_COLUMNS:
        arrays[name] = arrays[name][..., kept]
    file = io.BytesIO()
    np.savez(file, **arrays)
    return MAGIC + zstandard.compress(file.getbuffer())


@pytest.mark.parametrize("cut", [0, 3, 5, 20, -30, -1])
def test_a_checkpoint_that_was_cut_is_refused(cut: int) -> None:
    watch = lived()
    with pytest.raises(CheckpointError):
        decode(watch.engine, encode(watch.engine, watch.state)[:cut])


def test_the_checkpoint_of_another_site_is_refused() -> None:
    watch = lived()
    data = encode(watch.engine, watch.state)
    other = site()
    object.__setattr__(other.site, "site", "elsewhere")
    with pytest.raises(CheckpointError, match="of site 'small', not 'elsewhere'"):
        decode(SiteEngine(other), data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no checkpoint"),
        (b"PK\x03\x04 something else", "no checkpoint"),
        (MAGIC[:-1] + b"\x07rest", "format 07"),
        (MAGIC + b"rest", "cannot be read"),
        (MAGIC + zstandard.compress(b"no archive"), "cannot be read"),
    ],
)
def test_foreign_bytes_are_refused_with_a_sentence(data: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        decode(SiteEngine(site()), data)


def test_a_column_of_another_length_is_refused() -> None:
    watch = lived()
    watch.state.believed = watch.state.believed[:-1]
    with pytest.raises(CheckpointError, match="column believed"):
        decode(watch.engine, encode(watch.engine, watch.state))
