"""Screens: which readings are not to be believed, before anything is concluded from them.

A screened reading keeps its raw number and its value, and gets a quality that says why; then no
rule goes by it. Screens look at readings in recorded order, scan by scan, so a replay over what was
stored comes to the same: it begins by forgetting what the screens have said before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.detectors.frozen import FrozenState, screen_frozen
from alarms.detectors.outlier import WINDOW_MAX, OutlierState, screen_outliers
from alarms.detectors.rate import NEVER_US
from alarms.detectors.spike import SpikeState, screen_spikes
from alarms.rounds import Cells, Round, ranges, rounds_of
from telemetry.plan import ChannelPlan, SitePlan
from telemetry.quality import Quality, is_screened
from telemetry.scan import JudgedScans
from telemetry.screens import FrozenScreen, OutlierScreen, SpikeScreen

GAP_PERIODS: Final = 10  # What lies further apart is not joined.
SAME: Final = 1e-9  # Readings of a channel without resolution are the same to rounding.

Floats = NDArray[np.float64]
Columns = tuple[NDArray[Any], ...]


class ScreenKind(IntEnum):
    """What a screen looks for, in the order in which they are asked."""

    FROZEN = 0
    SPIKE = 1
    OUTLIER = 2


SCREEN_STATES: Final[dict[ScreenKind, type[FrozenState | SpikeState | OutlierState]]] = {
    ScreenKind.FROZEN: FrozenState,
    ScreenKind.SPIKE: SpikeState,
    ScreenKind.OUTLIER: OutlierState,
}
CODES: Final = {
    ScreenKind.FROZEN: Quality.FROZEN,
    ScreenKind.SPIKE: Quality.SPIKE,
    ScreenKind.OUTLIER: Quality.OUTLIER,
}


@dataclass(frozen=True, slots=True, eq=False)
class ScreenRows:
    """The channels that one kind of screen looks at, and its parameters; [row] each."""

    channel: NDArray[np.int64]
    first: NDArray[np.int64]  # [group + 1]
    names: tuple[str, ...]
    first_parameter: Floats  # Most per hour; window; after so many seconds.
    believed_after: NDArray[np.int8]
    sigmas: Floats
    resolution: Floats
    gap_us: NDArray[np.int64]


Ask = Callable[[ScreenRows, NDArray[np.int64], Floats, Columns], tuple[NDArray[np.bool_], Columns]]


@dataclass(frozen=True, slots=True, eq=False)
class ScreenStates:
    """What all screens of a site remember."""

    spike: SpikeState
    outlier: OutlierState
    frozen: FrozenState


class Screening:
    """The screens of one site's configuration."""

    def __init__(self, plan: SitePlan) -> None:
        self._cells = Cells.of(plan)
        self.rows = {kind: _rows_of(plan, kind) for kind in ScreenKind}
        groups = {plan.channels[one].group for rows in self.rows.values() for one in rows.channel}
        self._groups = frozenset(groups)
        self._value = np.full(len(plan.channels) + 1, np.nan)
        self._at_us = np.zeros(len(plan.groups), dtype=np.int64)
        self._group_of = np.array([one.group for one in plan.channels], dtype=np.int64)
        self._slot_of = np.array([one.slot for one in plan.channels], dtype=np.int64)

    def fresh(self) -> ScreenStates:
        """Begin without a past."""
        spikes, outliers, frozen = (
            len(self.rows[kind].channel)
            for kind in (ScreenKind.SPIKE, ScreenKind.OUTLIER, ScreenKind.FROZEN)
        )

        def never(count: int) -> NDArray[np.int64]:
            return np.full(count, NEVER_US)

        def none(count: int) -> NDArray[np.int8]:
            return np.zeros(count, dtype=np.int8)

        return ScreenStates(
            SpikeState(
                never(spikes), np.zeros(spikes), never(spikes), np.zeros(spikes), none(spikes)
            ),
            OutlierState(
                np.full((WINDOW_MAX, outliers), np.nan),
                never(outliers),
                none(outliers),
                none(outliers),
            ),
            FrozenState(
                never(frozen), never(frozen), np.zeros(frozen), np.zeros(frozen, dtype=np.int64)
            ),
        )

    def screen(self, states: ScreenStates, scans: Sequence[JudgedScans]) -> tuple[JudgedScans, ...]:
        """Return the scans with what the screens say of them; the states are changed in place."""
        by_group = {one.group: _unscreened(one) for one in scans if one.group in self._groups}
        for number, of in enumerate(rounds_of(list(by_group.values()))):
            self._screen_round(states, of, by_group, number)
        return tuple(by_group.get(one.group, one) for one in scans)

    def _screen_round(
        self, states: ScreenStates, of: Round, by_group: dict[int, JudgedScans], number: int
    ) -> None:
        self._value[self._cells.channels_of(of.groups)] = of.value
        self._at_us[of.groups] = of.at_us

        def asked(kind: ScreenKind, state: Columns, ask: Ask) -> None:
            rows = self.rows[kind]
            chosen = ranges(rows.first[of.groups], rows.first[of.groups + 1])
            chosen = chosen[~np.isnan(self._value[rows.channel[chosen]])]
            if not len(chosen):
                return
            channel = rows.channel[chosen]
            doubted, after = ask(
                _part_of(rows, chosen),
                self._at_us[self._group_of[channel]],
                self._value[channel],
                tuple(column[..., chosen] for column in state),
            )
            for column, new in zip(state, after, strict=True):
                column[..., chosen] = new
            self._mark(channel[doubted], CODES[kind], by_group, number)

        asked(ScreenKind.FROZEN, states.frozen, _ask_frozen)
        asked(ScreenKind.SPIKE, states.spike, _ask_spike)
        asked(ScreenKind.OUTLIER, states.outlier, _ask_outlier)

    def _mark(
        self,
        channels: NDArray[np.int64],
        code: Quality,
        by_group: dict[int, JudgedScans],
        number: int,
    ) -> None:
        """Write down why readings are not believed; the screens after this one pass over them."""
        self._value[channels] = np.nan
        for channel in channels.tolist():
            by_group[int(self._group_of[channel])].quality[number, self._slot_of[channel]] = code


def _unscreened(scans: JudgedScans) -> JudgedScans:
    """Forget what screens have said: in a replay they are asked again."""
    quality = np.where(is_screened(scans.quality), np.int16(Quality.GOOD), scans.quality)
    return replace(scans, quality=quality.astype(np.int16))


def _ask_frozen(
    rows: ScreenRows, at_us: NDArray[np.int64], value: Floats, before: Columns
) -> tuple[NDArray[np.bool_], Columns]:
    return screen_frozen(
        at_us,
        value,
        FrozenState(*before),
        after_us=np.round(rows.first_parameter * 1e6).astype(np.int64),
        gap_us=rows.gap_us,
        tolerance=np.maximum(rows.resolution / 2.0, SAME * np.abs(value)),
    )


def _ask_spike(
    rows: ScreenRows, at_us: NDArray[np.int64], value: Floats, before: Columns
) -> tuple[NDArray[np.bool_], Columns]:
    return screen_spikes(
        at_us,
        value,
        SpikeState(*before),
        most_per_hour=rows.first_parameter,
        tolerance=rows.resolution,
        believed_after=rows.believed_after,
    )


def _ask_outlier(
    rows: ScreenRows, at_us: NDArray[np.int64], value: Floats, before: Columns
) -> tuple[NDArray[np.bool_], Columns]:
    return screen_outliers(
        at_us,
        value,
        OutlierState(*before),
        readings=rows.first_parameter.astype(np.int64),
        sigmas=rows.sigmas,
        least_sigma=rows.resolution,
        believed_after=rows.believed_after,
        gap_us=rows.gap_us,
    )


def _part_of(rows: ScreenRows, chosen: NDArray[np.int64]) -> ScreenRows:
    return ScreenRows(
        channel=rows.channel[chosen],
        first=rows.first,
        names=(),
        first_parameter=rows.first_parameter[chosen],
        believed_after=rows.believed_after[chosen],
        sigmas=rows.sigmas[chosen],
        resolution=rows.resolution[chosen],
        gap_us=rows.gap_us[chosen],
    )


def _rows_of(plan: SitePlan, kind: ScreenKind) -> ScreenRows:
    pairs = [
        (one, screen) for one in plan.channels if (screen := _screen_of(one, kind)) is not None
    ]
    group = np.array([one.group for one, _ in pairs], dtype=np.int64)
    return ScreenRows(
        channel=np.array([one.index for one, _ in pairs], dtype=np.int64),
        first=np.searchsorted(group, np.arange(len(plan.groups) + 1)).astype(np.int64),
        names=tuple(one.key for one, _ in pairs),
        first_parameter=np.array([_first_parameter(screen) for _, screen in pairs], np.float64),
        believed_after=np.array(
            [getattr(screen, "believed_after", 1) for _, screen in pairs], dtype=np.int8
        ),
        sigmas=np.array([getattr(screen, "sigmas", np.nan) for _, screen in pairs], np.float64),
        resolution=np.array([one.channel.resolution or 0.0 for one, _ in pairs], np.float64),
        gap_us=np.array(
            [GAP_PERIODS * plan.groups[one.group].period_us for one, _ in pairs], dtype=np.int64
        ),
    )


def _screen_of(
    plan: ChannelPlan, kind: ScreenKind
) -> SpikeScreen | OutlierScreen | FrozenScreen | None:
    screens = plan.channel.screen
    if screens is None:
        return None
    return {
        ScreenKind.SPIKE: screens.spike,
        ScreenKind.OUTLIER: screens.outlier,
        ScreenKind.FROZEN: screens.frozen,
    }[kind]


def _first_parameter(screen: SpikeScreen | OutlierScreen | FrozenScreen) -> float:
    if isinstance(screen, SpikeScreen):
        return screen.most_per_hour
    return screen.readings if isinstance(screen, OutlierScreen) else screen.after_s
