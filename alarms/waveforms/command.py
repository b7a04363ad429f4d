"""`groundwatch triggers`: a waveform's file in, where its events begin out."""

import json
import sys
from pathlib import Path

from alarms.seismic.waveform import (
    Trigger,
    TriggerSettings,
    WaveformError,
    samples_of,
    triggers_of,
)
from telemetry.clock import instant_at, instant_in


def run_triggers(
    file: Path, settings: TriggerSettings, *, begins_at: str | None, as_json: bool
) -> int:
    """Print the triggers of a waveform; return the exit code."""
    try:
        began_us = None if begins_at is None else instant_in(begins_at)
        with file.open(encoding="utf-8") as lines:
            samples = samples_of(lines, str(file))
        found = triggers_of(samples, settings)
    except (OSError, UnicodeDecodeError, ValueError, WaveformError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    told = [_told(one, began_us) for one in found]
    if as_json:
        document = {"samples": len(samples), "rate_hz": settings.rate_hz, "triggers": told}
        sys.stdout.write(json.dumps(document) + "\n")
        return 0
    for one in told:
        words = f"{one['begins']}  to  {one['ends']}  ratio {one['peak_ratio']:.1f}"
        sys.stdout.write(f"{words}  amplitude {one['peak_amplitude']:.4g}\n")
    sys.stdout.write(f"{len(told)} triggers in {len(samples)} samples\n")
    return 0


def _told(one: Trigger, began_us: int | None) -> dict[str, str | float]:
    def instant(us: int) -> str | float:
        """An instant, or seconds after the first sample where nobody has said when that was."""
        return us / 1e6 if began_us is None else instant_at(began_us + us).isoformat()

    return {
        "begins": instant(one.begins_us),
        "ends": instant(one.ends_us),
        "peak_ratio": one.peak_ratio,
        "peak_amplitude": one.peak_amplitude,
    }
