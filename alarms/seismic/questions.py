"""The questions that a site file asks of a catalogue, each answered at an instant.

Pure: a question sees the events before the instant, and from when on none is missing. Every one has
an answer for not knowing. The methods themselves stand in files of their own.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.seismic.answers import Answer, Finding, judged
from alarms.seismic.b_value import BValue, b_exact, b_positive, b_utsu
from alarms.seismic.catalogue import Catalogue, WatchedEvents
from alarms.seismic.energy_index import (
    UsualEnergy,
    apparent_volume_m3,
    energy_index,
    moving_median,
    usual_energy,
)
from alarms.seismic.magnitudes import completeness
from alarms.seismic.omori import fit_omori
from alarms.seismic.rates import rates_of, z_of_rate
from telemetry.event_fields import SeismicConvention
from telemetry.event_rules import (
    BValueRule,
    EnergyIndexRule,
    EventDetector,
    RateRule,
    ReentryRule,
)

HOUR_US: Final = 3_600_000_000
WINDOWS_MIN: Final = 10  # With energy, to know what is usual.


def hours_us(hours: float) -> int:
    """So many hours, in microseconds."""
    return round(hours * HOUR_US)


def looks_back_us(rule: EventDetector) -> int:
    """How far before an instant a question looks."""
    return hours_us(rule.window_h + getattr(rule, "background_h", 0.0))


def answer(
    rule: EventDetector, watched: WatchedEvents, convention: SeismicConvention | None, at_us: int
) -> Finding:
    """Answer a question of the site file at an instant."""
    if watched.complete_from_us > at_us - looks_back_us(rule):
        return Finding(Answer.WARMING_UP)
    match rule:
        case RateRule():
            return _rate(rule, watched.events, at_us)
        case BValueRule():
            assert convention is not None  # A rule of the site file sees to it.
            return _b_value(rule, watched.events, convention, at_us)
        case EnergyIndexRule():
            assert convention is not None
            return _energy_index(rule, watched.events, convention, at_us)
        case ReentryRule():
            return _reentry(rule, watched.events, at_us)


def _rate(rule: RateRule, events: Catalogue, at_us: int) -> Finding:
    window_us, background_us = hours_us(rule.window_h), hours_us(rule.background_h)
    now = events.between(at_us - window_us, at_us)
    usual = events.between(at_us - window_us - background_us, at_us - window_us)
    if rule.method == "energy_rate":
        return _energy_rate(rule, now, usual, at_us)
    z = z_of_rate(np.array([len(now)]), rule.window_h, np.array([len(usual)]), rule.background_h)
    figures = {
        "events": len(now),
        "usual_events": round(len(usual) * rule.window_h / rule.background_h, 3),
    }
    return judged(float(z[0]), dict(figures))


def _energy_rate(rule: RateRule, now: Catalogue, usual: Catalogue, at_us: int) -> Finding:
    """By how many standard deviations is the logarithm of the energy above the usual one?"""
    window_us = hours_us(rule.window_h)
    windows = math.floor(rule.background_h / rule.window_h)
    edges_us = at_us - window_us * np.arange(windows + 1, 0, -1, dtype=np.int64)
    energy = rates_of(usual.at_us, usual.energy_j, usual.moment_nm, edges_us).energy_j
    some = np.log10(energy[energy > 0.0])
    energy_j = float(np.nansum(now.energy_j))
    if len(some) < WINDOWS_MIN or np.ptp(some) == 0.0:
        return Finding(Answer.TOO_FEW, figures={"windows": len(some)})
    figures = {"energy_j": energy_j, "usual_energy_j": float(10.0 ** some.mean())}
    if energy_j == 0.0:
        return judged(-math.inf, dict(figures))
    # The mean of so many windows is itself uncertain.
    spread = float(some.std(ddof=1)) * math.sqrt(1.0 + 1.0 / len(some))
    return judged((math.log10(energy_j) - float(some.mean())) / spread, dict(figures))


def _b_value(
    rule: BValueRule, events: Catalogue, convention: SeismicConvention, at_us: int
) -> Finding:
    seen = events.between(at_us - hours_us(rule.window_h), at_us).magnitude
    magnitude = seen[~np.isnan(seen)]
    step = convention.magnitude_step
    least = completeness(magnitude, bin_width=step)
    found = _estimated(rule, magnitude, least, step)
    if np.isnan(found.b):
        return Finding(Answer.TOO_FEW, figures={"events": found.events})
    figures = {
        "b": round(found.b, 4),
        "error": round(found.error, 4),
        "events": found.events,
        "complete_from": least,
        "estimator": rule.estimator,
    }
    return judged(found.b + rule.errors * found.error, dict(figures))


def _estimated(
    rule: BValueRule, magnitude: NDArray[np.float64], least: float, step: float
) -> BValue:
    if rule.estimator == "positive":
        return b_positive(
            magnitude, least_step=2.0 * step, bin_width=step, events_min=rule.events_min
        )
    estimate = b_exact if rule.estimator == "exact" else b_utsu
    return estimate(magnitude, complete_from=least, bin_width=step, events_min=rule.events_min)


def _energy_index(
    rule: EnergyIndexRule, events: Catalogue, convention: SeismicConvention, at_us: int
) -> Finding:
    """By how many decades has the median energy index fallen, while the volume grows?"""
    begin_us = at_us - hours_us(rule.window_h)
    now = events.between(begin_us, at_us)
    before = events.between(begin_us - hours_us(rule.background_h), begin_us)
    usual = _usual(rule, before)
    if usual is None:
        return Finding(Answer.TOO_FEW, figures={"background_events": len(before)})
    median = moving_median(energy_index(now.energy_j, now.moment_nm, usual), rule.median_of)
    told = np.log10(median[~np.isnan(median)])
    if len(told) <= rule.median_of:
        return Finding(Answer.TOO_FEW, figures={"events": len(now)})
    volume = _volume_m3(now, convention)
    usual_volume = _volume_m3(before, convention) * rule.window_h / rule.background_h
    if usual_volume <= 0.0:
        return Finding(Answer.TOO_FEW, figures={"background_events": len(before)})
    fallen = float(told.max() - told[-1])
    grows = volume / usual_volume >= rule.volume_ratio_min
    figures = {
        "fallen_decades": round(fallen, 4),
        "energy_index": round(float(10.0 ** told[-1]), 4),
        "apparent_volume_m3": round(volume, 3),
        "usual_apparent_volume_m3": round(usual_volume, 3),
        "apparent_volume": convention.apparent_volume,
        "usual_energy_slope": round(usual.slope, 4),
        "usual_energy_intercept": round(usual.intercept, 4),
        "usual_energy_is_given": rule.slope is not None,
    }
    return judged(fallen if grows else 0.0, dict(figures))


def _usual(rule: EnergyIndexRule, before: Catalogue) -> UsualEnergy | None:
    if rule.slope is not None and rule.intercept is not None:
        return UsualEnergy(rule.slope, rule.intercept, 0)
    return usual_energy(before.energy_j, before.moment_nm)


def _volume_m3(events: Catalogue, convention: SeismicConvention) -> float:
    volume = apparent_volume_m3(
        events.energy_j, events.moment_nm, rigidity_pa=convention.rigidity_pa
    )
    factor = 2.0 if convention.apparent_volume == "m0_squared_over_mu_e" else 1.0
    return factor * float(np.nansum(volume))


def _reentry(rule: ReentryRule, events: Catalogue, at_us: int) -> Finding:
    """How much above the usual is the rate of events that is expected now?"""
    seen = events.between(at_us - hours_us(rule.window_h), at_us)
    large = np.flatnonzero(seen.magnitude >= rule.large_from)
    if not len(large):
        return judged(0.0, {"events": len(seen)})
    main_us = int(seen.at_us[large[-1]])
    since_h = (at_us - main_us) / HOUR_US
    hours = (seen.at_us[large[-1] + 1 :] - main_us) / HOUR_US
    figures: dict[str, float | int | str | bool] = {
        "magnitude": float(seen.magnitude[large[-1]]),
        "large_event_us": main_us,
        "hours_since": round(since_h, 3),
        "aftershocks": len(hours),
    }
    decay = fit_omori(hours, since_h) if since_h > 0.0 else None
    if decay is not None:
        expected = float(decay.rate_per_h(np.array([since_h]))[0])
        figures |= {
            "p": round(decay.p, 3),
            "c_h": round(decay.c_h, 5),
            "productivity": round(decay.productivity, 4),
            "reentry_after_h": round(decay.reentry_h(rule.usual_per_h), 3),
        }
    else:
        # Too few to fit: their mean rate so far, which is above that of now if they fade.
        expected = len(hours) / since_h if since_h > 0.0 else math.inf
    figures["expected_per_h"] = round(min(expected, 1e6), 4)
    ratio = expected / rule.usual_per_h
    if since_h < rule.least_h:
        ratio = max(ratio, min(bound for _, bound in rule.levels if bound is not None))
    return judged(ratio, figures)
