"""Whether a message is tried again, and when; pure, the dice are an argument."""

from dataclasses import dataclass
from enum import StrEnum

FIRST_PAUSE_S = 1.0
DOUBLINGS_MAX = 20  # Keeps the power finite; the longest pause is reached long before.
LONGEST_PAUSE_S = 300.0  # A destination that comes back hears of an alarm within 5 minutes.

REFUSED_FIRST_PAUSE_S = 60.0
REFUSED_LONGEST_PAUSE_S = 3600.0
REFUSED_GIVE_UP_S = 3 * 24 * 3600.0  # A wrong address or secret is mended over a weekend.

ASKED_PAUSE_MAX_S = 3600.0  # A destination may ask for patience, not for silence.

HTTP_TIMEOUT, HTTP_TOO_MANY = 408, 429


class Failure(StrEnum):
    """Why a message was not taken."""

    UNAVAILABLE = "unavailable"  # No connection, no answer in time, 5xx, 408, 429: it may pass.
    REFUSED = "refused"  # Any other answer: somebody must mend an address, a secret, a receiver.


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after a pause."""

    pause_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Try no more; the message stays recorded as not delivered."""


def failure_of_status(status: int) -> Failure | None:
    """Judge an HTTP status: None when the message was taken.

    >>> failure_of_status(204) is None
    True
    >>> failure_of_status(429).value, failure_of_status(302).value
    ('unavailable', 'refused')
    """
    if 200 <= status < 300:
        return None
    if status >= 500 or status in {HTTP_TIMEOUT, HTTP_TOO_MANY}:
        return Failure.UNAVAILABLE
    return Failure.REFUSED


def next_try(
    failure: Failure,
    *,
    tries: int,
    age_s: float,
    dice: float,
    asked_pause_s: float | None = None,
) -> Again | GiveUp:
    """Decide after the n-th failed try of a message of some age; dice is in [0, 1).

    The pause doubles from try to try and is shortened by up to half at random, so that
    messages which failed together do not return together.
    """
    assert tries >= 1
    refused = failure is Failure.REFUSED
    if refused and age_s >= REFUSED_GIVE_UP_S:
        return GiveUp()
    first_s = REFUSED_FIRST_PAUSE_S if refused else FIRST_PAUSE_S
    longest_s = REFUSED_LONGEST_PAUSE_S if refused else LONGEST_PAUSE_S
    pause_s = min(longest_s, first_s * 2.0 ** min(tries - 1, DOUBLINGS_MAX))
    pause_s *= 1.0 - dice / 2
    if asked_pause_s is not None:
        pause_s = max(pause_s, min(asked_pause_s, ASKED_PAUSE_MAX_S))
    return Again(pause_s)
