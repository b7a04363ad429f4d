"""Rules as columns: sorted, named, and found again by group."""

import numpy as np
from engine_sites import calculated, channel, limit, plan

from alarms.rules import RuleColumns, RuleKind, announced_levels, compile_rules, subject_key
from telemetry.site import Level

SITE = plan(
    {
        "a": [
            channel(
                "a0",
                0,
                limits=[limit("low", blue=3.0, red=1.0), limit(yellow=5.0, deadband=0.5)],
                rate_limits=[limit("low", orange=-2.0, window_s=90.5)],
            ),
            channel("a1", 4),
        ],
        "b": [channel("b0", 0, states={7: {"name": {"en": "x", "zh": "x"}, "level": "red"}})],
        "c": [channel("c0", 0, limits=[limit(blue=1.0), limit(blue=2.0), limit(blue=3.0)])],
    },
    {"d": [calculated("d0", 0, "x", inputs={"x": "a0"}, limits=[limit(red=9.0)])]},
    period_s={"a": 60.0, "b": 1.0, "c": 3600.0, "d": 60.0},
)


def names(rules: RuleColumns) -> list[str]:
    return [f"{subject_key(SITE, one)}/{one.key}" for one in rules.rules]


def test_rules_are_sorted_by_kind_and_named() -> None:
    assert names(compile_rules(SITE)) == [
        "a0/limit_low",
        "a0/limit_high",
        "c0/limit_high",
        "c0/limit_high_2",
        "c0/limit_high_3",
        "d0/limit_high",
        "a0/rate_low_90.5",
        "b0/state",
        "a0/quality",
        "a1/quality",
        "b0/quality",
        "c0/quality",
        "a/unreadable",
        "b/unreadable",
        "c/unreadable",
    ]


def test_the_rules_of_a_group_are_a_range() -> None:
    rules = compile_rules(SITE)
    found = {
        (kind.name, group.key): names(rules)[
            rules.first[kind, group.index] : rules.first[kind, group.index + 1]
        ]
        for kind in RuleKind
        for group in SITE.groups
    }
    assert found["LIMIT", "b"] == []
    assert found["LIMIT", "c"] == ["c0/limit_high", "c0/limit_high_2", "c0/limit_high_3"]
    assert found["LIMIT", "d"] == ["d0/limit_high"]
    assert found["RATE", "a"] == ["a0/rate_low_90.5"]
    assert found["QUALITY", "a"] == ["a0/quality", "a1/quality"]
    assert found["QUALITY", "d"] == []
    assert found["UNREADABLE", "b"] == ["b/unreadable"]
    assert found["UNREADABLE", "d"] == []
    assert sum(len(some) for some in found.values()) == len(rules)


def test_low_limits_are_negated_and_levels_left_out_are_infinite() -> None:
    rules = compile_rules(SITE)
    assert rules.bounds[:, 0].tolist() == [-3.0, np.inf, np.inf, -1.0]
    assert rules.bounds[:, 1].tolist() == [np.inf, 5.0, np.inf, np.inf]
    assert rules.lowest[[0, 1, 6]].tolist() == [-3.0, 5.0, 2.0]
    assert rules.used[:, 0].tolist() == [True, False, False, True]
    assert rules.window_us.tolist() == [90_500_000]
    assert rules.gap_us.tolist() == [4 * 90_500_000]


def test_technical_rules_are_believed_after_two_periods_and_have_the_site_level_alone() -> None:
    rules = compile_rules(SITE)
    delays_s = [120.0, 120.0, 2.0, 7200.0, 120.0, 2.0, 7200.0]
    assert (rules.on_delay_us[-7:] / 1e6).tolist() == delays_s
    assert (rules.off_delay_us[-7:] / 1e6).tolist() == delays_s
    assert rules.used[:, -7:].T.tolist() == [[False, True, False, False]] * 7


def test_a_limit_tells_each_level_that_it_has_and_a_state_only_its_own() -> None:
    rules = compile_rules(SITE)
    low, state = rules.rules[0], rules.rules[7]
    assert announced_levels(low, rules.used[:, 0], 0, 4) == [Level.BLUE, Level.RED]
    assert announced_levels(low, rules.used[:, 0], 1, 4) == [Level.RED]
    assert announced_levels(state, rules.used[:, 7], 0, 4) == [Level.RED]


def test_a_site_without_limits_has_only_technical_rules() -> None:
    rules = compile_rules(plan({"a": [channel("a0", 0)]}))
    assert [one.key for one in rules.rules] == ["quality", "unreadable"]
    assert rules.bounds.shape == (4, 0)
