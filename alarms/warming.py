"""Which rules can't judge yet, because what they compare with is not known: they warm up.

That is neither normal nor wrong, and people are shown it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.chart_rules import NOT_LEARNING
from alarms.engine_state import NEVER_US, EngineState
from alarms.rules import RuleColumns, RuleKind

# Stored, so numbers never change meaning.
WARMING_BITS: Final = {
    RuleKind.RATE: 1,
    RuleKind.EWMA: 2,
    RuleKind.CUSUM: 4,
    RuleKind.PAGE_HINKLEY: 8,
}


def warming_up(state: EngineState, rules: RuleColumns) -> NDArray[np.bool_]:  # [rule]
    """Tell which rules have seen readings, or none, and not enough of them to judge the next."""
    warming = np.zeros(len(rules), dtype=np.bool_)
    rates = slice(rules.begin(RuleKind.RATE), rules.end(RuleKind.RATE))
    # The young reading is kept from the first on over which a whole window has passed.
    warming[rates] = state.anchor_us[1] == NEVER_US
    charts = rules.charts
    learning = np.zeros(len(charts), dtype=np.bool_)
    learners = np.flatnonzero(charts.learner != NOT_LEARNING)
    learning[learners] = state.learned_count < charts.learn_readings
    begin = rules.begin(RuleKind.EWMA)
    warming[begin : begin + len(charts)] = learning
    hinkley = slice(rules.begin(RuleKind.PAGE_HINKLEY), rules.end(RuleKind.PAGE_HINKLEY))
    own = slice(hinkley.start - begin, hinkley.stop - begin)
    warming[hinkley] |= state.seen_count < charts.warm_up[own]
    return warming


def warming_by_channel(
    state: EngineState, rules: RuleColumns, channels: int
) -> NDArray[np.int16]:  # [channel]
    """Tell for each channel which kinds of its rules warm up: the sum of their bits."""
    bits = np.zeros(channels + 1, dtype=np.int16)  # Rules about whole groups have one row more.
    warming = np.flatnonzero(warming_up(state, rules))
    for kind, bit in WARMING_BITS.items():
        begin, end = np.searchsorted(warming, [rules.begin(kind), rules.end(kind)])
        bits[rules.channel[warming[begin:end]]] |= np.int16(bit)
    return bits[:-1]


def warming_words(bits: int) -> list[str]:
    """Name the kinds of rules that a channel's bits stand for.

    >>> warming_words(5)
    ['rate', 'cusum']
    """
    return [kind.name.lower() for kind, bit in WARMING_BITS.items() if bits & bit]
