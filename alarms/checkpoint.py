"""Checkpoints: an engine's state as bytes, so that recovery need not replay a site's whole past.

State is a cache of the recorded inputs. Whatever is wrong with a checkpoint, the caller may
always throw it away and replay from the beginning; therefore everything odd is refused here.
Rows are kept under the names of their groups and rules, so that a checkpoint outlives a change
of the configuration: what is unknown now is dropped, what is new begins fresh. Alarms whose
rule is gone are kept, and cleared by the next step.
"""

from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.annunciator import Annunciator, OpenAlarm, Subject
from alarms.chart_rules import NOT_CONFIRMING, NOT_LEARNING
from alarms.derivation import REMEMBERED_SCANS_MAX, SourceMemory
from alarms.engine import CLOCK, SILENCE, SiteEngine
from alarms.engine_state import EngineState
from alarms.packed_state import Arrays, PackedStateError, pack, unpack
from alarms.rules import RuleKind, subject_key
from alarms.screening import SCREEN_STATES, ScreenKind
from alarms.transition import LASTING_RULES, AlarmKind, AlarmState
from alarms.vote_plan import voted_keys
from telemetry.plan import SitePlan
from telemetry.site import Level

MAGIC: Final = b"GWCP\x01"  # The last byte is the version of the format.

GROUP_COLUMNS: Final = ("first_us", "newest_us", "last_tick_us", "silent", "clock_suspect")
RULE_COLUMNS: Final = ("violated", "believed", "since_us")
RATE_COLUMNS: Final = ("anchor_us", "anchor_value")
CONFIRMING_COLUMNS: Final = ("recent", "recent_us")
CHART_COLUMNS: Final = ("chart_us", "statistic")
EWMA_COLUMNS: Final = ("fading",)
HINKLEY_COLUMNS: Final = ("seen_count", "seen_mean")
LEARNING_COLUMNS: Final = ("learned_count", "learned_mean", "learned_square")
# Checkpoints of earlier versions lack these.
NEWER_FAMILIES: Final = frozenset(
    {"confirming", "charts", "ewma_charts", "hinkley_charts", "learning_charts"}
    | {f"{kind.name.lower()}_screens" for kind in ScreenKind}
)
MEMORY_COLUMNS: Final = ("held_us", "held_value", "held_quality", "at_us", "value", "quality")


class CheckpointError(ValueError):
    """The bytes are no usable checkpoint of this site: replay from the beginning."""


def encode(engine: SiteEngine, state: EngineState) -> bytes:
    """Write a state down."""
    families = _families(engine)
    header = {
        "site": engine.plan.site.site,
        **{family: names for family, (names, _) in families.items()},
        "memory": {
            engine.plan.groups[group].key: {
                "slots": _slots_of(engine.plan, group),
                "horizon_us": memory.horizon_us,
            }
            for group, memory in state.memory.items()
        },
        "alarms": [_document(alarm) for alarm in state.alarms.values()],
        "level_changes": state.votes.changes,
    }
    arrays: dict[str, Any] = {
        name: attrgetter(name)(state) for _, columns in families.values() for name in columns
    }
    for group, memory in state.memory.items():
        for name in MEMORY_COLUMNS:
            arrays[f"memory/{engine.plan.groups[group].key}/{name}"] = getattr(memory, name)
    return pack(MAGIC, header, arrays)


def decode(engine: SiteEngine, data: bytes) -> EngineState:
    """Read a state, fitted to the engine's configuration; raise CheckpointError for all else."""
    header, arrays = _read(data)
    try:
        if header["site"] != engine.plan.site.site:
            raise CheckpointError(
                f"the checkpoint is of site '{header['site']}', not '{engine.plan.site.site}'"
            )
        return _fitted(engine, header, arrays)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"the checkpoint does not hold what it should: {error}") from error


def _read(data: bytes) -> tuple[dict[str, Any], Arrays]:
    try:
        return unpack(MAGIC, data, "checkpoint")
    except PackedStateError as error:
        raise CheckpointError(str(error)) from error


def _fitted(engine: SiteEngine, header: dict[str, Any], arrays: Arrays) -> EngineState:
    state = engine.initial_state()
    families = _families(engine)
    for family, (now, columns) in families.items():
        if family in NEWER_FAMILIES and family not in header:
            continue  # Written before there was such a thing.
        was = header[family]
        old, new = _rows_in_both(was, now)
        for name in columns:
            fresh = attrgetter(name)(state)
            stored = _checked(arrays, name, (*fresh.shape[:-1], len(was)), fresh.dtype)
            fresh[..., new] = stored[..., old]
    _adopt_technical_level(engine, state)
    for group, empty in state.memory.items():
        remembered = header["memory"].get(engine.plan.groups[group].key)
        if remembered is None:  # Nothing was computed from it yet, so nothing was kept.
            state.memory[group] = replace(empty, horizon_us=int(state.newest_us[group]))
        else:
            state.memory[group] = _memory(engine.plan, group, remembered, arrays)
    state.annunciator = Annunciator.of(_alarm(document) for document in header["alarms"])
    changes = header.get("level_changes", [])  # Not in checkpoints of earlier versions.
    state.votes = engine.votes.memory_of(state, changes)
    groups, rules = families["groups"][0], families["rules"][0]
    known = set(rules) | voted_keys(engine.plan)
    known |= {f"{key}/{rule}" for key in groups for rule in (SILENCE, CLOCK)}
    known |= {f"{channel}/{rule}" for channel, rule in engine.believable}
    state.orphans = [
        alarm.occurrence
        for alarm in state.alarms.values()
        if alarm.standing
        and alarm.subject.rule not in LASTING_RULES
        and f"{alarm.subject.channel}/{alarm.subject.rule}" not in known
    ]
    return state


def _adopt_technical_level(engine: SiteEngine, state: EngineState) -> None:
    """Let technical faults have the level that the configuration has now.

    They have one level only: left at the old one, a fault that goes on would be cleared.
    """
    technical = Level[engine.plan.site.technical_level.upper()]
    highest = np.maximum(state.violated, state.believed)
    rows = np.flatnonzero((highest > 0) & (highest != technical))
    rows = rows[rows >= engine.rules.begin(RuleKind.QUALITY)]
    for column in (state.violated, state.believed):
        column[rows] = np.where(column[rows] > 0, technical, 0)
    state.since_us[:, rows] = state.since_us[0, rows]  # All levels begin and end together.


def _memory(plan: SitePlan, group: int, remembered: dict[str, Any], arrays: Arrays) -> SourceMemory:
    """Read what is remembered of a group, column by column under its channels' names."""
    was, now = remembered["slots"], _slots_of(plan, group)
    empty = SourceMemory.empty(len(now))
    key = plan.groups[group].key
    count = arrays[f"memory/{key}/at_us"].shape[0]
    if count > REMEMBERED_SCANS_MAX:
        raise CheckpointError(f"the checkpoint remembers {count} scans of group '{key}'")
    old, new = _rows_in_both(
        [one or f" {slot}" for slot, one in enumerate(was)],
        [one or f" {slot}" for slot, one in enumerate(now)],
    )
    columns: Arrays = {}
    for name in MEMORY_COLUMNS:
        fresh = getattr(empty, name)
        wide = name != "at_us"
        shape = () if name.startswith("held") else (count,)
        stored = _checked(
            arrays, f"memory/{key}/{name}", (*shape, len(was)) if wide else shape, fresh.dtype
        )
        if wide:
            missing = np.nan if fresh.dtype == np.float64 else 0
            filled = np.full((*shape, len(now)), missing, dtype=fresh.dtype)
            if name == "held_us":
                filled[:] = empty.held_us
            filled[..., new] = stored[..., old]
            columns[name] = filled
        else:
            columns[name] = stored
    return SourceMemory(horizon_us=int(remembered["horizon_us"]), **columns)


def _checked(
    arrays: Arrays, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    array = arrays[name]
    if array.shape != shape or array.dtype != dtype:
        raise CheckpointError(
            f"the checkpoint's column {name} is {array.dtype}{list(array.shape)}, "
            f"and should be {dtype}{list(shape)}"
        )
    return array


def _rows_in_both(was: list[str], now: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the names known then and now stood, and where they stand."""
    if was == now:
        same = np.arange(len(now))
        return same, same
    place = {key: row for row, key in enumerate(now)}
    pairs = [(old, place[key]) for old, key in enumerate(was) if key in place]
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _families(engine: SiteEngine) -> dict[str, tuple[list[str], tuple[str, ...]]]:
    """List the kinds of rows, each with the names of its rows and its columns."""
    rules = engine.rules
    names = [f"{subject_key(engine.plan, rule)}/{rule.key}" for rule in rules.rules]
    charts = names[rules.begin(RuleKind.EWMA) : rules.end(RuleKind.PAGE_HINKLEY)]
    confirming = np.flatnonzero(rules.confirms.row != NOT_CONFIRMING)
    learning = np.flatnonzero(rules.charts.learner != NOT_LEARNING)

    def of(kind: RuleKind) -> list[str]:
        return names[rules.begin(kind) : rules.end(kind)]

    return {
        "groups": ([group.key for group in engine.plan.groups], GROUP_COLUMNS),
        "rules": (names, RULE_COLUMNS),
        "rate_rules": (of(RuleKind.RATE), RATE_COLUMNS),
        "confirming": ([names[row] for row in confirming], CONFIRMING_COLUMNS),
        "charts": (charts, CHART_COLUMNS),
        "ewma_charts": (of(RuleKind.EWMA), EWMA_COLUMNS),
        "hinkley_charts": (of(RuleKind.PAGE_HINKLEY), HINKLEY_COLUMNS),
        "learning_charts": ([charts[row] for row in learning], LEARNING_COLUMNS),
        **{
            f"{kind.name.lower()}_screens": (list(rows.names), _columns_of(kind))
            for kind, rows in engine.screening.rows.items()
        },
    }


def _columns_of(kind: ScreenKind) -> tuple[str, ...]:
    """Name the columns of one kind of screen, as they stand in the state."""
    of = kind.name.lower()
    return tuple(f"screens.{of}.{field}" for field in SCREEN_STATES[kind]._fields)


def _slots_of(plan: SitePlan, group: int) -> list[str | None]:
    slots: list[str | None] = [None] * plan.groups[group].slot_count
    for channel in plan.groups[group].channels:
        slots[channel.slot] = channel.key
    return slots


def _document(alarm: OpenAlarm) -> dict[str, Any]:
    return {
        "occurrence": alarm.occurrence,
        "kind": alarm.subject.kind.value,
        "structure": alarm.subject.structure,
        "channel": alarm.subject.channel,
        "rule": alarm.subject.rule,
        "state": alarm.state.value,
        "level": int(alarm.level),
        "changed_us": alarm.changed_us,
        "acknowledged_by": alarm.acknowledged_by,
    }


def _alarm(document: dict[str, Any]) -> OpenAlarm:
    subject = Subject(
        kind=AlarmKind(document["kind"]),
        structure=document["structure"],
        channel=document["channel"],
        rule=document["rule"],
    )
    return OpenAlarm(
        occurrence=document["occurrence"],
        subject=subject,
        state=AlarmState(document["state"]),
        level=Level(document["level"]),
        changed_us=int(document["changed_us"]),
        acknowledged_by=document["acknowledged_by"],
    )
