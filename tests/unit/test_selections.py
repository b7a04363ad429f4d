"""Where the rules of some groups stand is remembered, but not without end."""

import numpy as np
from engine_sites import BEGAN_US, channel, plan

from alarms.engine import SiteEngine
from alarms.judging import PIECE_READINGS, Judge
from alarms.rounds import Round
from alarms.rules import RuleKind, compile_rules


def test_ever_new_groups_together_are_not_all_remembered() -> None:
    """What is kept of where rules stand has a bound, however flushes mix the groups."""
    groups = {f"g{n}": [channel(f"c{n}_{slot}", slot) for slot in range(100)] for n in range(12)}
    of = plan(groups)
    judge = Judge(of, compile_rules(of))
    state = SiteEngine(of).initial_state()
    for mixed in range(1, 2**12):
        chosen = np.array([n for n in range(12) if mixed >> n & 1])
        count = 100 * len(chosen)
        judge.judge(
            state,
            Round(
                groups=chosen,
                at_us=np.full(len(chosen), BEGAN_US + mixed),
                suspect=np.zeros(len(chosen), np.bool_),
                value=np.zeros(count),
                quality=np.zeros(count, np.int16),
            ),
        )
    kept = sum(len(one.kinds[RuleKind.QUALITY].groups) for one in judge._selections.values())
    assert 0 < kept <= 2 * PIECE_READINGS
