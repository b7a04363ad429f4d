"""The time, as a thing that is passed in; the only file that reads the machine's clock.

Everything that needs "now" takes a `Clock`. At a mine that is the machine's own; in a
demonstration it is a scenario clock, which runs faster and is shared by all processes.
"""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOKS_APART_US = 20_000  # How often a shared clock looks whether its file is there yet.


class Clock(Protocol):
    """What time it is, and how fast it passes."""

    @property
    def rate(self) -> float:
        """Clock seconds per real second."""

    def now_us(self) -> int:
        """Wall-clock time, microseconds since 1970 UTC."""

    def monotonic_us(self) -> int:
        """Microseconds on a scale that never steps; only differences mean anything."""

    def real_s_until(self, at_us: int) -> float:
        """Real seconds from now to an instant of this clock; negative when it has passed."""


@dataclass(frozen=True, slots=True)
class MachineClock:
    """The machine's own clock."""

    rate: float = 1.0

    def now_us(self) -> int:
        """Wall-clock time of the machine."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """The machine's monotonic clock."""
        return time.monotonic_ns() // 1000

    def real_s_until(self, at_us: int) -> float:
        """Real seconds from now to an instant."""
        return (at_us - self.now_us()) / 1e6


@dataclass(frozen=True, slots=True)
class ScenarioClock:
    """A clock that began at an instant of the machine's clock and runs at a rate of its own."""

    began_real_us: int  # The machine's wall clock at the beginning.
    began_us: int  # What this clock showed then.
    rate: float  # Seconds here per real second.

    def now_us(self) -> int:
        """Scenario time."""
        return self.began_us + round((time.time_ns() / 1000 - self.began_real_us) * self.rate)

    def monotonic_us(self) -> int:
        """The machine's monotonic clock, stretched by the rate."""
        return round(time.monotonic_ns() / 1000 * self.rate)

    def real_s_until(self, at_us: int) -> float:
        """Real seconds from now to an instant of the scenario."""
        return (at_us - self.now_us()) / 1e6 / self.rate


class SharedClock:
    """A scenario clock that another process sets going; the machine's own until then.

    Servers start before the scenario does and must be able to say what time it is. When the
    file appears the time steps once, to the scenario's; from then on it never changes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clock: Clock = MachineClock()
        self._began = False
        self._looked_real_us = 0

    @property
    def began(self) -> bool:
        """Whether the scenario has been set going."""
        self._current()
        return self._began

    @property
    def rate(self) -> float:
        """Clock seconds per real second: 1 until the scenario begins."""
        return self._current().rate

    def now_us(self) -> int:
        """Scenario time, or the machine's until the scenario begins."""
        return self._current().now_us()

    def monotonic_us(self) -> int:
        """A monotonic clock, whose scale changes once, when the scenario begins."""
        return self._current().monotonic_us()

    def real_s_until(self, at_us: int) -> float:
        """Real seconds from now to an instant."""
        return self._current().real_s_until(at_us)

    def _current(self) -> Clock:
        real_us = time.monotonic_ns() // 1000
        if not self._began and real_us - self._looked_real_us >= LOOKS_APART_US:
            self._looked_real_us = real_us
            with suppress(FileNotFoundError):
                self._clock = read_clock_file(self._path)
                self._began = True
        return self._clock


def write_clock_file(path: Path, clock: ScenarioClock) -> None:
    """Let other processes share a scenario clock; whoever waits for the file starts with it."""
    document = {
        "began_real_us": clock.began_real_us,
        "began_us": clock.began_us,
        "rate": clock.rate,
    }
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(path)


def read_clock_file(path: Path) -> ScenarioClock:
    """Read a shared scenario clock; raise FileNotFoundError until it has been set going."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return ScenarioClock(
        began_real_us=int(document["began_real_us"]),
        began_us=int(document["began_us"]),
        rate=float(document["rate"]),
    )


def instant_us(at: datetime) -> int:
    """Convert an aware instant to microseconds since 1970; naive ones are refused."""
    if at.tzinfo is None:
        raise ValueError(f"the instant {at.isoformat()} has no time zone")
    return (at - EPOCH) // timedelta(microseconds=1)


def instant_at(us: int) -> datetime:
    """Convert microseconds since 1970 to an aware UTC instant."""
    return EPOCH + timedelta(microseconds=us)


def instant_in(text: str) -> int:
    """Read an instant in ISO 8601; one without an offset is in UTC.

    Raises ValueError, with a sentence, when it is none.
    """
    try:
        at = datetime.fromisoformat(text)
        return instant_us(at if at.tzinfo is not None else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:80]!r} is no instant; write it like 2025-07-01 or 2025-07-01T08:00:00+08:00."
        ) from None


def real_monotonic_s() -> float:
    """Real seconds on the machine's monotonic clock, for time-outs and latencies."""
    return time.monotonic()
