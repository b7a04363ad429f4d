"""What clients send to the API: a model's values, or one sentence that names the field."""

import json
import random
from collections.abc import Iterator
from typing import Any

from fuzz.documents import as_json, changed_json
from fuzz.target import Change, Target, check_sentence
from pydantic import ValidationError

from api.errors import sentence_of
from api.event_views import EventsQuery
from api.live_client import Wish
from api.live_site import cursor_text
from api.readings_views import ReadingsInput, ScansInput
from api.routes.export import ExportQuery
from api.views import (
    AcknowledgementInput,
    AlarmsQuery,
    HistoryQuery,
    Input,
    JournalQuery,
    OccurrenceQuery,
    SessionInput,
)

EXAMPLES: list[tuple[type[Input], Any]] = [
    (Wish, {"subscribe": {"site": "mine", "channels": ["pond"], "cursor": {"mine": 7}}}),
    (Wish, {"subscribe": {"site": "mine", "alarms": False, "channels": "all"}}),
    (SessionInput, {"code": "0123"}),
    (AcknowledgementInput, {"occurrence": "o", "person": "Ada", "comment": "c", "number": 3}),
    (HistoryQuery, {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00+08:00"}),
    (AlarmsQuery, {"state": ["unacknowledged"], "level": ["red"], "open": True, "limit": 5}),
    (EventsQuery, {"kind": "blast", "source": "s", "limit": 5, "cursor": "MS9hL2I="}),
    (JournalQuery, {"after": 3, "limit": 2}),
    (OccurrenceQuery, {"occurrence": "o"}),
    (ExportQuery, {"channel": ["pond"], "from": "2026-01-01T00:00:00Z", "format": "csv"}),
    (
        ScansInput,
        {
            "site": "m",
            "scans": [{"group": "g", "time": "2026-01-01T00:00:00Z", "values": {"a": 1}}],
        },
    ),
    (
        ReadingsInput,
        {
            "site": "m",
            "readings": [{"channel": "a", "time": "2026-01-01T00:00:00Z", "value": None}],
        },
    ),
]
WORDS = (
    *(
        "subscribe",
        "site",
        "channels",
        "all",
        "alarms",
        "cursor",
        "mine",
        "code",
        "token",
        "number",
    ),
    *("from", "to", "points", "limit", "after", "state", "level", "2026-01-01", 2**63 - 1, 1e400),
)


def read(data: bytes) -> str:
    """The first byte chooses the model."""
    model, _ = EXAMPLES[(data[0] if data else 0) % len(EXAMPLES)]
    try:
        found = model.model_validate_json(data[1:])
    except ValidationError as error:
        check_sentence(sentence_of(error.errors()), "The request does not fit: ")
        return "refused"
    again = found.model_dump_json(by_alias=True)
    assert model.model_validate_json(again) == found
    if isinstance(found, Wish):
        check_wish(found)
    return "accepted"


def check_wish(wish: Wish) -> None:
    """The cursor that a client is told is one that it may come back with."""
    for site, number in (wish.subscribe.cursor or {}).items():
        assert 0 <= number < 2**63
        assert json.loads(cursor_text(site, number)) == {site: number}


def seeds() -> Iterator[bytes]:
    for n, (_, example) in enumerate(EXAMPLES):
        yield bytes([n]) + as_json(example)
    yield b"\x00" + b'{"subscribe":' * 2_000
    yield b"\x00" + b"9" * 6_000


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    return data[:1] + changed_json(data[1:], chance, change, WORDS)


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("accepted", "refused"),
    words=tuple(f'"{word}"'.encode() for word in WORDS),
    mutated=mutated,
    short_runs=500,
)
