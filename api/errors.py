"""Refusals and failures, each with a code for programs and a sentence for people."""

from traceback import format_exception
from typing import Any
from uuid import uuid4

import psycopg
import psycopg_pool
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from telemetry.model_errors import each_said

log = structlog.get_logger(__name__)

STATUS_SENTENCES = {
    400: ("malformed", "The request cannot be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    415: ("unsupported_media_type", "The body must be JSON, sent as application/json."),
}
DATABASE_ERRORS = (psycopg.OperationalError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)


class ApiError(Exception):
    """A request that cannot be served: the status, a code, and a sentence with the remedy."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.status = status
        self.code = code
        self.message = message

    def response(self) -> JSONResponse:
        """Write the error as every route writes it."""
        headers = {"cache-control": "no-store"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status in {408, 413}:
            headers["connection"] = "close"  # Or the rest of the body would still be taken in.
        if self.retry_after_s is not None:
            headers["retry-after"] = str(self.retry_after_s)
        body = {"error": {"code": self.code, "message": self.message}}
        return JSONResponse(body, self.status, headers)


def database_away() -> ApiError:
    """Say that the database cannot be reached."""
    return ApiError(
        503, "database_away", "The database cannot be reached just now; it is tried again."
    )


def unexpected(error: Exception) -> ApiError:
    """Log a failure that nobody foresaw, and give it an id instead of its insides."""
    failure_id = uuid4().hex[:12]
    # As text: a renderer that shows local variables would write tokens into the log.
    log.error("request failed", failure_id=failure_id, traceback="".join(format_exception(error)))
    return ApiError(
        500, "failed", f"The request failed on our side; the log tells more under {failure_id}."
    )


def install_error_answers(app: FastAPI) -> None:
    """Let every error of every route be answered in the same form."""
    app.add_exception_handler(ApiError, _answer_api_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    for error in DATABASE_ERRORS:
        app.add_exception_handler(error, _answer_database_away)
    app.add_exception_handler(psycopg.errors.QueryCanceled, _answer_too_long)


async def _answer_api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error.response()


async def _answer_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return ApiError(422, "invalid", sentence_of(error.errors())).response()


async def _answer_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, message = STATUS_SENTENCES.get(error.status_code, ("refused", str(error.detail)))
    return ApiError(error.status_code, code, message).response()


async def _answer_database_away(_: Request, error: Exception) -> JSONResponse:
    log.warning("database not reached", error=str(error))
    return database_away().response()


async def _answer_too_long(_: Request, __: Exception) -> JSONResponse:
    message = "The database took too long over this; ask for a shorter span."
    return ApiError(503, "too_long", message).response()


def sentence_of(complaints: Any) -> str:  # noqa: ANN401 - pydantic's own list of dictionaries
    """Say in one sentence what is wrong with an input, field by field."""
    said = each_said(complaints, without=frozenset({"body", "query", "path"}))
    return f"The request does not fit: {said}."
