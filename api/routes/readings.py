"""Readings from gateways: in over HTTP, answered once they are committed."""

import asyncio
import zlib
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from api.errors import ApiError
from api.gate import READINGS_PATH
from api.parts import Parts, PartsDep, TokenDep
from api.readings_views import (
    QuarantinedView,
    ReadingsInput,
    RefusedItemView,
    ScansInput,
    SubmissionView,
)
from api.site_directory import SiteRecord
from api.wakeups import wait_for
from historian import submissions
from historian.submissions import SubmissionOutcome, TooManyUndecidedError
from telemetry.clock import real_monotonic_s
from telemetry.submission import (
    CONTENT_BYTES_MAX,
    Compiled,
    Document,
    SubmissionError,
    compile_submission,
    read_document,
)

DECISION_S = 2.0
DECISION_POLL_S = 0.1
RETRY_AFTER_S = 2
GZIP = 16 + zlib.MAX_WBITS

router = APIRouter()

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "May be packed: Content-Encoding: gzip.",
        "content": {"application/json": {"schema": {"anyOf": []}}},
    }
}


@router.post(
    READINGS_PATH,
    summary="Send readings of a gateway",
    responses={413: {}, 415: {}, 422: {}, 429: {}, 503: {}},
    openapi_extra=BODY,
)
async def send_readings(request: Request, token: TokenDep, parts: PartsDep) -> SubmissionView:
    """Store readings; the answer comes once they are committed, and may be asked for again."""
    content = _unpacked(await request.body(), request.headers)
    # A large document takes a while; the live line must not wait for it.
    document = await asyncio.to_thread(_document, content)
    record = await parts.directory.find(document.site)
    if record is None or token.site != document.site or token.edge is None:
        message = f"This token is not for a gateway of site '{document.site[:63]}'."
        raise ApiError(403, "forbidden", message)
    compiled = await asyncio.to_thread(compile_submission, document, record.plan, token.edge)
    _refuse(document, compiled, parts)
    if not compiled.contents:
        return _view(SubmissionOutcome(), compiled)
    number = await _submit(parts, record, token.edge, compiled)
    outcome = await _outcome(parts, record.site_id, number)
    if outcome is None:
        parts.metrics.submissions.labels("undecided").inc()
        raise ApiError(
            503,
            "undecided",
            f"The service that stores {record.key} did not answer within {DECISION_S:g} s. "
            "Send the same again: what is stored already is known again.",
            retry_after_s=RETRY_AFTER_S,
        )
    parts.metrics.submissions.labels("stored").inc()
    return _view(outcome, compiled)


def _unpacked(body: bytes, headers: Any) -> bytes:  # noqa: ANN401 - Starlette's headers
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if kind != "application/json" or encoding not in {"identity", "gzip"}:
        message = "The body must be application/json, as it is or packed with gzip."
        raise ApiError(415, "unsupported_media_type", message)
    if encoding == "identity":
        return body
    unpacking = zlib.decompressobj(GZIP)
    try:
        content = unpacking.decompress(body, CONTENT_BYTES_MAX + 1)
    except zlib.error as error:
        raise ApiError(400, "malformed", "The body cannot be unpacked as gzip.") from error
    if len(content) > CONTENT_BYTES_MAX:
        message = f"Unpacked, the body may hold {CONTENT_BYTES_MAX} bytes at most."
        raise ApiError(413, "too_large", message)
    if not unpacking.eof or unpacking.unused_data:
        raise ApiError(400, "malformed", "The body is not one whole gzip stream.")
    return content


def _document(content: bytes) -> Document:
    try:
        return read_document(content)
    except SubmissionError as error:
        raise ApiError(422, "invalid", f"The request does not fit: {error}.") from error


def _refuse(document: Document, compiled: Compiled, parts: Parts) -> None:
    """Refuse the whole when something in it is wrong, unless the rest is to be stored."""
    if not compiled.complaint_count or document.partial:
        return
    parts.metrics.submissions.labels("refused").inc()
    told = "; ".join(f"{one.place}: {one.message}" for one in compiled.complaints)
    more = compiled.complaint_count - len(compiled.complaints)
    told += f"; and {more} more" if more else ""
    if any(one.kind == "forbidden" for one in compiled.complaints):
        raise ApiError(403, "forbidden", f"Nothing was stored: {told}.")
    raise ApiError(422, "invalid", f"Nothing was stored: {told}.")


async def _submit(parts: Parts, record: SiteRecord, gateway: str, compiled: Compiled) -> int:
    try:
        async with parts.pool.connection() as conn:
            return await submissions.submit(
                conn,
                site_id=record.site_id,
                gateway=gateway,
                received_us=parts.clock.now_us(),
                contents=compiled.contents,
            )
    except TooManyUndecidedError as error:
        parts.metrics.submissions.labels("too_many").inc()
        message = f"Nothing was stored: {error}. Send the same again later."
        raise ApiError(429, "too_many", message, retry_after_s=RETRY_AFTER_S) from error


async def _outcome(parts: Parts, site_id: int, number: int) -> SubmissionOutcome | None:
    """Wait for what became of a submission; when nothing does in time, give it up."""
    deadline_s = real_monotonic_s() + DECISION_S
    while True:
        woken = parts.wakeups.next()
        async with parts.pool.connection() as conn:
            outcome = await submissions.outcome_of(conn, site_id, number)
            remaining_s = deadline_s - real_monotonic_s()
            if outcome is not None:
                return outcome
            if remaining_s <= 0:
                # So that what waits is bounded by those who wait; if it is just being stored, the
                # gateway is told so when it sends the same again.
                await submissions.withdraw(conn, site_id, number)
                return await submissions.outcome_of(conn, site_id, number)
        await wait_for(woken, min(remaining_s, DECISION_POLL_S))


def _view(outcome: SubmissionOutcome, compiled: Compiled) -> SubmissionView:
    return SubmissionView(
        stored=outcome.stored,
        duplicates=outcome.duplicates,
        merged=outcome.merged,
        conflicts=outcome.conflicts,
        late=outcome.late,
        quarantined=[QuarantinedView(**asdict(one)) for one in outcome.quarantined],
        refused=[
            RefusedItemView(place=one.place, message=one.message) for one in compiled.complaints
        ],
        refused_count=compiled.complaint_count,
    )


def _describe_body() -> None:
    """The body is read by hand, so its schema is given by hand too."""
    schema = BODY["requestBody"]["content"]["application/json"]["schema"]
    schema["anyOf"] = [_inlined(model.model_json_schema()) for model in (ScansInput, ReadingsInput)]


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put what a schema refers to in its place: a request body has no definitions of its own."""
    definitions = schema.pop("$defs", {})

    def put_in(part: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(part, list):
            return [put_in(one) for one in part]
        if isinstance(part, dict):
            if "$ref" in part:
                return put_in(definitions[part["$ref"].rpartition("/")[2]])
            return {key: put_in(one) for key, one in part.items()}
        return part

    inlined: dict[str, Any] = put_in(schema)
    return inlined


_describe_body()
