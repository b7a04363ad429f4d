"""Many rounds judged at once say what the same rounds say one by one: to the last bit, in order.

Sites have every detector that judges in the flush, streams have alarms, bad and missing readings,
gaps, and wrong clocks.
"""

from dataclasses import fields
from typing import Any

import numpy as np
from detector_cases import CASES
from engine_sites import BEGAN_US, SECOND_US, channel, part_of, plan, scans
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.engine import SiteEngine
from alarms.engine_state import EngineState
from alarms.stretches import Cut
from alarms.transition import Inputs
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

NAMES = [name for name in CASES if name != "screened"]  # Screens come before, round by round.
REASONS = np.array([Quality.NO_REPLY, Quality.NO_VALUE, Quality.ELECTRICAL, Quality.CONFLICT])
ONE_BY_ONE = Cut(rounds_min=10**9)
CUTS = st.builds(
    Cut,
    rounds_min=st.integers(1, 20),
    columns_max=st.integers(1, 12),
    readings=st.integers(1, 400),
)


def group_of(rng: np.random.Generator, group: int) -> list[dict[str, Any]]:
    """Some channels with one detector or two each; some slots stay empty."""
    slots = np.sort(rng.choice(10, size=rng.integers(1, 7), replace=False))
    channels = []
    for slot in slots.tolist():
        words: dict[str, Any] = {}
        for name in rng.choice(NAMES, size=rng.integers(1, 4)):
            for word, said in CASES[name].words.items():
                both = [*words.get(word, []), *said] if isinstance(said, list) else said
                words[word] = both
        if "states" in words:
            words = {k: v for k, v in words.items() if not isinstance(v, list)}
        channels.append(channel(f"c{group}_{slot}", slot, resolution=0.01, **words))
    return channels


def stream_of(rng: np.random.Generator, of: SitePlan, group: int, rounds: int) -> JudgedScans:
    """Mostly calm readings, as long as they are; then excursions, holes, gaps and wrong clocks."""
    width = of.groups[group].slot_count
    steps_s = rng.choice([10, 10, 10, 7, 13], size=rounds)
    apart = rng.random(rounds) < rng.choice([0.0, 0.01, 0.1])
    steps_s[apart] = rng.choice([45, 80, 110, 600], size=int(apart.sum()))
    at_us = BEGAN_US + np.cumsum(steps_s) * SECOND_US
    value = 4.0 + rng.normal(0.0, 0.6, (rounds, width))
    for _ in range(rng.integers(0, 6)):
        begin, slot = rng.integers(0, rounds), rng.integers(0, width)
        value[begin : begin + rng.integers(1, 40), slot] += rng.normal(0.0, 3.0)
    states = [one.slot for one in of.groups[group].channels if one.channel.states is not None]
    value[:, states] = np.floor(np.abs(value[:, states])) % 3
    quality = np.zeros(value.shape, np.int64)
    wrong = rng.random(value.shape) < rng.choice([0.0, 0.0, 0.02, 0.3])
    if rng.random() < 0.3:
        wrong[rng.integers(0, rounds) :, rng.integers(0, width)] = True  # It has died.
    quality[wrong] = rng.choice(REASONS, size=int(wrong.sum()))
    sampled_us = at_us.copy()
    suspect = rng.random(rounds) < rng.choice([0.0, 0.05])
    sampled_us[suspect] -= 999
    return scans(group, at_us, value, quality=quality, sampled_us=sampled_us)


def said_and_kept(
    of: SitePlan, streams: list[JudgedScans], cut: Cut, flush_rounds: int
) -> tuple[list[str], dict[str, Any]]:
    """Run an engine over streams; return what it told, and its state."""
    engine = SiteEngine(of, cut=cut)
    state = engine.initial_state()
    told: list[str] = []
    longest = max(len(one.judged_us) for one in streams)
    for begin in range(0, longest, flush_rounds):
        some = tuple(
            part_of(one, begin, begin + flush_rounds)
            for one in streams
            if len(one.judged_us) > begin
        )
        told += [repr(one) for one in engine.step(state, Inputs(scans=some)).transitions]
    return told, kept(state)


def kept(state: EngineState) -> dict[str, Any]:
    columns = {one.name: getattr(state, one.name) for one in fields(state)}
    return {
        name: column.tobytes() if isinstance(column, np.ndarray) else repr(column)
        for name, column in columns.items()
        if name not in {"screens", "memory", "annunciator"}
    } | {"alarms": repr(state.alarms)}


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), cut=CUTS, flush_rounds=st.sampled_from([50, 120, 1000]))
def test_many_rounds_at_once_are_the_same_rounds(seed: int, cut: Cut, flush_rounds: int) -> None:
    rng = np.random.default_rng(seed)
    groups = {f"g{n}": group_of(rng, n) for n in range(rng.integers(1, 4))}
    of = plan(groups, period_s=10.0)
    rounds = int(rng.integers(60, 260))
    streams = [
        stream_of(rng, of, n, rounds - int(rng.integers(0, 3)) * int(rng.integers(0, 30)))
        for n in range(len(groups))
    ]

    told, state = said_and_kept(of, streams, cut, flush_rounds)
    expected_told, expected = said_and_kept(of, streams, ONE_BY_ONE, flush_rounds)

    assert told == expected_told
    assert state == expected
