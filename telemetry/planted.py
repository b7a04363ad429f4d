"""Planted bugs: each breaks one promise on purpose, so that the fault harness must find it.

A harness that finds nothing has proven something only if it would have found what is there.
GROUNDWATCH_PLANTED_BUG names one; unless the harness's own variable is set as well every command
refuses to start, so that none can be on by accident. Unset, asking costs one boolean test.
"""

from typing import Final

from telemetry.fault_settings import PLANTED_BUG, planted_bug, runs_in_harness

# Each by what it breaks.
BUGS: Final = {
    "acknowledge_before_commit": "nothing is acknowledged before it is durable",
    "edge_releases_when_sent": "an edge releases only what the centre has committed",
    "spool_in_memory": "what an edge has taken survives it",
    "told_before_sent": "a message counts as told only when it was taken",
    "fresh_delivery_id": "a repeated message carries the id of the first",
    "transition_forgotten": "what is judged is in the journal",
    "transition_key_by_chance": "an alarm's key follows from what caused it",
    "state_forgotten": "a restart forgets no state",
    "last_block_not_stored": "whatever is recorded as delivered is stored",
    "quality_lost": "what an edge says of a reading's quality reaches the store",
    "value_altered": "a number is stored bit by bit",
    "outbox_skipped": "whatever a destination wants to know waits for it",
}


PLANTED: Final = planted_bug()


def planted(name: str) -> bool:
    """Tell whether this bug is switched on."""
    return PLANTED is not None and name == PLANTED


def check_none_by_accident() -> None:
    """End the program with a sentence if a bug is on that no harness has switched on."""
    if PLANTED is None:
        return
    if not runs_in_harness():
        raise SystemExit(
            f"{PLANTED_BUG} is set to {PLANTED!r}: that breaks a promise on purpose and is for "
            "`groundwatch faults` alone. Remedy: unset it."
        )
    if PLANTED not in BUGS:
        raise SystemExit(f"There is no bug {PLANTED!r}; there are {', '.join(BUGS)}.")
