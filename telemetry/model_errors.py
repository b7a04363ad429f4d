"""What pydantic found wrong with an input, in sentences for whoever wrote it."""

from collections.abc import Mapping, Sequence
from typing import Any


def plain_message(error: Mapping[str, Any]) -> str:
    """Say what is wrong; a validator's own sentence without what pydantic puts before it.

    >>> plain_message({"msg": "Value error, too late", "ctx": {"error": ValueError("too late")}})
    'too late'
    >>> plain_message({"msg": "Field required"})
    'Field required'
    """
    cause = error.get("ctx", {}).get("error")
    return str(cause) if isinstance(cause, ValueError | AssertionError) else str(error["msg"])


def each_said(errors: Sequence[Mapping[str, Any]], *, without: frozenset[str] = frozenset()) -> str:
    """Say each error after the place that it is about, leaving some words out of the places."""
    parts = []
    for one in errors:
        where = ".".join(str(part) for part in one["loc"] if part not in without)
        parts.append(f"{where}: {plain_message(one)}" if where else plain_message(one))
    return "; ".join(parts)
