"""What a request proves itself with, and whether its page may; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

COOKIE = "groundwatch_session"
UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Credential:
    """A token as it came."""

    token: str
    by_cookie: bool  # A browser adds it by itself, also for pages that are not ours.


def credential_of(headers: Iterable[tuple[bytes, bytes]]) -> Credential | None:
    """Find the token of a request: the header counts before the cookie."""
    cookie: Credential | None = None
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return (
                Credential(token.strip(), by_cookie=False) if scheme.lower() == "bearer" else None
            )
        if name == b"cookie" and cookie is None:
            cookie = _from_cookie(value.decode("latin-1"))
    return cookie


def origin_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Find which page a browser sends a request from; programs say nothing."""
    return next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)


def origin_may(
    origin: str | None,
    own_origins: frozenset[str],
    *,
    by_cookie: bool,
    changes_something: bool,
) -> bool:
    """Tell whether a request may come from where it comes from.

    A page that is not ours may never do anything. Where a cookie proves who it is and the
    request changes something, or opens a line, the browser must have named our page.
    """
    if origin is not None:
        return origin in own_origins
    return not (by_cookie and changes_something)


def _from_cookie(header: str) -> Credential | None:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return Credential(found.value, by_cookie=True) if found and found.value else None
