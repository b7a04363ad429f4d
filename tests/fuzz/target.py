"""What a fuzzing target is: seeds made by code, a reader, and what may come of an input.

A target states the contract of one reader. `read` hands it one input and returns what came of
it, one of `outcomes`; anything that the contract does not allow it lets out as an exception,
which is a finding. Outcomes are counted, so that one can see that the fuzzer gets past checksums
and headers, and is not refused at the door a million times.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

# The reader's name is that of its module in `readers`.
NAMES: Final = tuple(sorted(path.stem for path in (Path(__file__).parent / "readers").glob("*.py")))
# Ours; what others wrote is exercised, but not measured.
INSTRUMENTED: Final = ("telemetry", "edge_agent", "ingest", "api")
SENTENCE_MAX: Final = 8_000

Change = Callable[[bytes], bytes]  # Some change to bytes, as libFuzzer makes it.


@dataclass(frozen=True, slots=True)
class Target:
    """One reader and its contract."""

    read: Callable[[bytes], str]
    seeds: Callable[[], Iterable[bytes]]
    outcomes: tuple[str, ...]  # The short run of the tests has to meet all of them.
    words: tuple[bytes, ...] = ()  # That mean something to the reader.
    mutated: Callable[[bytes, random.Random, Change], bytes] | None = None  # Keeps the structure.
    bytes_max: int = 8_192
    short_runs: int = 1_000


def target_of(name: str) -> Target:
    """Load a target; the readers that it imports are loaded with it."""
    module = "fuzz.planted" if name == "planted" else f"fuzz.readers.{name}"
    target = import_module(module).TARGET
    assert isinstance(target, Target)
    return target


def check_sentence(told: object, *places: str) -> None:
    """An error says something, not too much of it, and names one of the places."""
    text = str(told)
    assert text.strip(), f"{told!r} says nothing"
    assert len(text) < SENTENCE_MAX, f"an error of {len(text)} characters"
    assert not places or any(place in text for place in places), f"no place is named: {text[:400]}"
