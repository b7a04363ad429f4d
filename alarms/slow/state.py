"""What the slow tier knows between steps, and how it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.engine_state import NEVER_US
from alarms.packed_state import Arrays, PackedStateError, pack, unpack
from alarms.slow.rules import SlowRules
from alarms.trends.binned import Bins
from alarms.trends.fit_document import document_of, fit_of
from alarms.trends.regression import Fit
from telemetry.plan import SitePlan

MAGIC: Final = b"GWST\x01"  # The last byte is the version of the format.
RULE_COLUMNS: Final = ("violated", "believed", "since_us", "figure", "said_us")


class SlowCheckpointError(ValueError):
    """The bytes are no usable state of this site: begin anew from stored history."""


@dataclass(slots=True, eq=False)
class SlowState:
    """Everything that a site's past means for its slow rules; a step changes it in place."""

    bins: list[Bins]  # [bin set]
    newest_us: NDArray[np.int64]  # [group]
    violated: NDArray[np.int8]  # [rule]
    believed: NDArray[np.int8]  # [rule]
    since_us: NDArray[np.int64]  # [level, rule]
    figure: NDArray[np.float64]  # [rule] the newest one; NaN where nothing can be said
    said_us: NDArray[np.int64]  # [rule] the instant as of which it was said, NEVER_US before
    # Bins that have ended for a rule, and not yet for all that it needs: (rule, bin), in order.
    waiting: list[tuple[int, int]] = field(default_factory=list)
    fits: dict[int, Fit] = field(default_factory=dict)  # By rule.

    @classmethod
    def fresh(cls, rules: SlowRules, groups: int) -> "SlowState":
        """Begin without a past."""
        return cls(
            bins=[
                Bins.empty(channels=len(one.channels), width_us=one.width_us, length=one.length)
                for one in rules.bin_sets
            ],
            newest_us=np.full(groups, NEVER_US),
            violated=np.zeros(len(rules), np.int8),
            believed=np.zeros(len(rules), np.int8),
            since_us=np.full((4, len(rules)), NEVER_US),
            figure=np.full(len(rules), np.nan),
            said_us=np.full(len(rules), NEVER_US),
        )


def encode_slow(plan: SitePlan, rules: SlowRules, state: SlowState) -> bytes:
    """Write a state down, under the names of its rules, groups and channels."""
    header = {
        "site": plan.site.site,
        "groups": [group.key for group in plan.groups],
        "rules": list(rules.names),
        "bins": [[plan.channels[n].key for n in one.channels.tolist()] for one in rules.bin_sets],
        "waiting": state.waiting,
        "fits": {str(rule): document_of(one) for rule, one in state.fits.items()},
    }
    arrays: dict[str, Any] = {name: getattr(state, name) for name in (*RULE_COLUMNS, "newest_us")}
    for number, bins in enumerate(state.bins):
        arrays |= {f"bins/{number}/{name}": one for name, one in bins.arrays().items()}
    return pack(MAGIC, header, arrays)


def decode_slow(plan: SitePlan, rules: SlowRules, data: bytes) -> SlowState:
    """Read a state that was written for this very configuration; SlowCheckpointError for others."""
    header, arrays = _read(data)
    try:
        asked = {
            "site": plan.site.site,
            "groups": [group.key for group in plan.groups],
            "rules": list(rules.names),
            "bins": [
                [plan.channels[n].key for n in one.channels.tolist()] for one in rules.bin_sets
            ],
        }
        for name, now in asked.items():
            if header[name] != now:
                raise SlowCheckpointError(f"the state is of other {name}")
        state = SlowState.fresh(rules, len(plan.groups))
        for name in (*RULE_COLUMNS, "newest_us"):
            _put(getattr(state, name), arrays[name], name)
        for number, fresh in enumerate(state.bins):
            bins = Bins.of_arrays({key: arrays[f"bins/{number}/{key}"] for key in fresh.arrays()})
            if (bins.width_us, bins.count.shape) != (fresh.width_us, fresh.count.shape):
                raise SlowCheckpointError(f"its bins of {bins.width_us} µs have other sizes")
            state.bins[number] = bins
        state.waiting = [(int(rule), int(number)) for rule, number in header["waiting"]]
        state.fits = {int(rule): fit_of(one) for rule, one in header["fits"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, SlowCheckpointError):
            raise
        raise SlowCheckpointError(f"the state does not hold what it should: {error}") from error
    return state


def carried_over(rules: SlowRules, data: bytes, into: SlowState) -> None:
    """Let rules that were there before believe what they believed, under another configuration.

    Bins are not taken over: they are filled anew from stored history, which knows new channels too.
    What can't be read is left: the next belief says what holds.
    """
    try:
        header, arrays = _read(data)
        was = {name: row for row, name in enumerate(header["rules"])}
        pairs = [(was[name], row) for row, name in enumerate(rules.names) if name in was]
        old = np.array([one for one, _ in pairs], dtype=np.int64)
        new = np.array([one for _, one in pairs], dtype=np.int64)
        for name in RULE_COLUMNS:
            getattr(into, name)[..., new] = arrays[name][..., old]
        for before, after in pairs:
            if str(before) in header["fits"]:
                into.fits[after] = fit_of(header["fits"][str(before)])
    except (SlowCheckpointError, KeyError, IndexError, TypeError, ValueError):
        return


def adopt(rules: SlowRules, into: SlowState, told: Mapping[str, int]) -> None:
    """Let rules believe what was told of them, by name; else an alarm might never be cleared.

    A state that had to begin anew believes in nothing, and would not tell that nothing is wrong.
    """
    for row, name in enumerate(rules.names):
        level = told.get(name, 0)
        if into.believed[row] != level:
            into.believed[row] = into.violated[row] = level


def _put(into: NDArray[Any], stored: NDArray[Any], name: str) -> None:
    if stored.shape != into.shape or stored.dtype != into.dtype:
        raise SlowCheckpointError(f"the state's column {name} is {stored.dtype}{stored.shape}")
    into[...] = stored


def _read(data: bytes) -> tuple[dict[str, Any], Arrays]:
    try:
        return unpack(MAGIC, data, "state of the slow tier")
    except PackedStateError as error:
        raise SlowCheckpointError(str(error)) from error
