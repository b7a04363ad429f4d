"""Submissions of gateways: blocks that say what the document says, or complaints by place."""

import gzip
import math
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fuzz.documents import as_json, changed_json
from fuzz.target import Change, Target, check_sentence
from gateway_site import GATEWAY, at, gateway_document, reading, scan

from api.errors import ApiError
from api.routes.readings import _unpacked
from telemetry.clock import instant_us
from telemetry.plan import plan_of
from telemetry.site import Site
from telemetry.submission import (
    COMPLAINTS_MAX,
    CONTENT_BYTES_MAX,
    Document,
    SubmissionError,
    compile_submission,
    read_document,
)
from telemetry.wire import decode_block

PLAN = plan_of(Site.model_validate(gateway_document()))
SLOTS = {one.key: one.slot for one in PLAN.group_by_key["cracks"].channels}
GZIP = b"\x1f\x8b"
WORDS = (
    *("site", "scans", "readings", "partial", "group", "time", "values", "channel", "value"),
    *("crack", "tilt", "pond", "cracks", "levels", "mine", at(0), at(1)),
)


def read(data: bytes) -> str:
    """What begins as gzip does was packed by the sender."""
    try:
        content = unpacked(data)
        document = read_document(content)
    except ApiError as error:
        check_sentence(error.message)
        return f"not unpacked ({error.status})"
    except SubmissionError as error:
        check_sentence(
            error, "the document", "site", "scans", "readings", "partial", "is not known"
        )
        return "refused"
    compiled = compile_submission(document, PLAN, GATEWAY)
    assert len(compiled.complaints) == min(compiled.complaint_count, COMPLAINTS_MAX)
    for complaint in compiled.complaints:
        check_sentence(complaint.message)
        assert complaint.place.startswith(f"{document.form}."), complaint
        assert len(complaint.place) < 300, complaint
    stored = check_blocks(compiled.contents, compiled.scans)
    if not compiled.complaint_count:
        assert stored == told(document)
        return document.form
    assert not stored - told(document)
    return "complaints"


def unpacked(data: bytes) -> bytes:
    headers = {"content-encoding": "gzip"} if data.startswith(GZIP) else {}
    content: bytes = _unpacked(data, headers)
    assert len(content) <= max(CONTENT_BYTES_MAX, len(data))
    return content


def check_blocks(contents: tuple[bytes, ...], scans: int) -> Counter[tuple[int, int, float]]:
    """Every block can be read; return what they say, by instant and slot."""
    stored: Counter[tuple[int, int, float]] = Counter()
    count = 0
    for block in map(decode_block, contents):
        assert (block.site, block.group, block.in_order) == ("mine", "cracks", False)
        count += len(block.sampled_us)
        for at_us, row in zip(block.sampled_us.tolist(), block.raw.tolist(), strict=True):
            stored.update((at_us, n, x) for n, x in enumerate(row) if not math.isnan(x))
    assert count == scans
    return Counter(set(stored))


def told(document: Document) -> Counter[tuple[int, int, float]]:
    """What a document says, read by another way: once, however often it says so."""
    said = set()
    for item in document.items:
        values: Any = item.get("values") if isinstance(item, dict) else None
        if document.form == "readings" and isinstance(item, dict):
            values = {item.get("channel"): item.get("value")} if _is_word(item) else None
        if not isinstance(values, dict):
            continue
        for key, value in values.items():
            if key in SLOTS and isinstance(value, int | float) and not isinstance(value, bool):
                try:
                    at_us = instant_us(datetime.fromisoformat(item["time"]))
                    said.add((at_us, SLOTS[key], float(value)))
                except (ValueError, TypeError, KeyError, OverflowError):
                    continue
    return Counter(said)


def _is_word(item: dict[str, Any]) -> bool:
    return isinstance(item.get("channel"), str)


def seeds() -> Iterator[bytes]:
    whole = {"site": "mine", "scans": [scan(1, crack=1.5, tilt=None), scan(2, crack=2)]}
    single = {"site": "mine", "readings": [reading(1, "crack", 1.5), reading(1, "tilt", -2e-3)]}
    twice = {"site": "mine", "readings": [reading(3, "crack", n) for n in range(10)]}
    wrong = {"site": "mine", "partial": True, "scans": [scan(1, pond=1), {"group": "levels"}, 7]}
    for document in (whole, single, twice, wrong):
        yield as_json(document)
        yield gzip.compress(as_json(document), mtime=0)
    yield gzip.compress(bytes(64 << 20), mtime=0)
    yield gzip.compress(as_json(whole), mtime=0)[:-3]
    yield b'{"site":' * 9 + b"1" + b"}" * 9


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    if not data.startswith(GZIP):
        return changed_json(data, chance, change, WORDS)
    if chance.random() < 0.2:
        return change(data)
    try:
        content = _unpacked(data, {"content-encoding": "gzip"})
    except ApiError:
        return change(data)
    return gzip.compress(changed_json(content, chance, change, WORDS), mtime=0)


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=(
        *("scans", "readings", "complaints", "refused"),
        *("not unpacked (400)", "not unpacked (413)"),
    ),
    words=tuple(f'"{word}"'.encode() for word in WORDS),
    mutated=mutated,
    bytes_max=1 << 17,
    short_runs=400,
)
