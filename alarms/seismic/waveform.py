"""Waveforms of those who have them: numbers of a text file, and the triggers that are in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from alarms.seismic.sta_lta import classic_ratio, recursive_ratio, triggers

US: Final = 1_000_000
SAMPLES_MAX: Final = 50_000_000  # Some hours at kHz rates; more is cut into files.


class WaveformError(Exception):
    """A waveform can't be used; the message says where it is wrong, and what would be right."""


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """How triggers are looked for (Allen 1978); `domain.md` C.6 gives the usual numbers."""

    rate_hz: float
    short_ms: float = 8.0
    long_ms: float = 80.0
    on: float = 4.0
    off: float = 1.5
    method: Literal["recursive", "classic"] = "recursive"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Where an event begins and ends in a waveform, its last sample included."""

    begins_us: int  # After the first sample.
    ends_us: int
    peak_ratio: float
    peak_amplitude: float  # In the waveform's unit, its mean taken out.


def samples_of(lines: Iterable[str], name: str) -> NDArray[np.float64]:  # [sample]
    """Read one number a line; empty lines and comments (#) are passed over.

    Raises WaveformError, which names the line.
    """
    found: list[float] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            sample = float(text)
        except ValueError:
            message = f"{name}:{number}: '{text[:40]}' is no number; one number a line is wanted."
            raise WaveformError(message) from None
        if not np.isfinite(sample):
            raise WaveformError(
                f"{name}:{number}: a sample is missing; cut the waveform at its gaps."
            )
        found.append(sample)
        if len(found) > SAMPLES_MAX:
            raise WaveformError(f"{name}: more than {SAMPLES_MAX} samples; cut it into files.")
    return np.array(found, dtype=np.float64)


def triggers_of(
    samples: NDArray[np.float64],  # [sample]
    settings: TriggerSettings,
) -> list[Trigger]:
    """Find the triggers of a waveform; WaveformError where the settings can't be meant."""
    short = round(settings.short_ms * settings.rate_hz / 1_000.0)
    long = round(settings.long_ms * settings.rate_hz / 1_000.0)
    if not 1 <= short < long:
        raise WaveformError(
            f"The short window has {short} samples and the long one {long}; the short one needs at "
            "least one, and fewer than the long one."
        )
    if settings.off > settings.on:
        raise WaveformError("An event can't end at a higher ratio than it begins at.")
    if len(samples) <= long:
        raise WaveformError(
            f"The waveform has {len(samples)} samples, and the long window alone {long}."
        )
    trace = samples - np.mean(samples)
    ratio_of = recursive_ratio if settings.method == "recursive" else classic_ratio
    ratio = ratio_of(trace, short=short, long=long)
    return [
        Trigger(
            begins_us=round(begin / settings.rate_hz * US),
            ends_us=round(end / settings.rate_hz * US),
            peak_ratio=float(np.max(ratio[begin : end + 1])),
            peak_amplitude=float(np.max(np.abs(trace[begin : end + 1]))),
        )
        for begin, end in triggers(ratio, on=settings.on, off=settings.off).tolist()
    ]
