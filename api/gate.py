"""The gate before every route: size, credentials, origin and scope; closed unless opened here.

It stands before the router, so a route that somebody adds later is behind it without asking
for it. Only what `is_open` names is served to strangers.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from psycopg_pool import AsyncConnectionPool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.credentials import UNSAFE_METHODS, credential_of, origin_may, origin_of
from api.errors import DATABASE_ERRORS, ApiError, database_away, unexpected
from api.metrics import Metrics
from historian import tokens
from historian.metrics_readers import MetricsReaders
from historian.tokens import Token
from telemetry.loopback import is_loopback

BODY_BYTES_MAX = 64 * 1024  # The largest honest request is a comment on an alarm,
READINGS_BYTES_MAX = 1 << 20  # but for readings, which may be packed,
BACK_TEST_BYTES_MAX = 10 << 20  # and for back-tests: two site files may come along.
BODY_TIMEOUT_S = 10.0
HANG_UP_TIMEOUT_S = 1.0
READINGS_PATH = "/api/v1/readings"
BACK_TESTS_PATH = re.compile(r"/api/v1/sites/[^/]+/backtests")
SESSION_PATH = "/api/v1/session"
STRANGERS_PATHS = frozenset({"/healthz", "/readyz"})
METRICS_PATH = "/metrics"

SECURITY_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        b"font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


class Gate:
    """ASGI middleware: whatever passes it may be answered."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        pool: AsyncConnectionPool,
        metrics: Metrics,
        own_origins: frozenset[str],
        open_metrics: bool,
    ) -> None:
        self._app = app
        self._pool = pool
        self._metrics = metrics
        self._own_origins = own_origins
        self._open_metrics = open_metrics
        self._metrics_readers = MetricsReaders()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._metrics)
        try:
            scope.setdefault("state", {})["token"] = await self._admit(scope)
            if scope["type"] == "http":
                receive = await _with_body_read(scope, receive)
            await self._app(scope, receive, answer.send)
        except ApiError as error:
            await answer.refuse(error)
        except Exception as error:  # noqa: BLE001 - the last place that can answer
            await answer.refuse(unexpected(error))
        if answer.refused_line:
            await _hung_up(receive)

    async def _admit(self, scope: Scope) -> Token | None:
        is_line = scope["type"] == "websocket"
        method = "GET" if is_line else scope["method"]
        changes_something = is_line or method in UNSAFE_METHODS
        credential = credential_of(scope["headers"])
        by_cookie = credential is not None and credential.by_cookie
        origin = origin_of(scope["headers"])
        allowed = origin_may(
            origin, self._own_origins, by_cookie=by_cookie, changes_something=changes_something
        )
        if changes_something and not allowed:
            self._metrics.refused("foreign_origin")
            raise ApiError(
                403,
                "foreign_origin",
                "Only the centre's own page may ask for this. If this is its page, start the "
                "centre with --origin and the address that the browser shows.",
            )
        if not is_line and is_open(method, scope["path"]):
            return None
        if scope["path"] == METRICS_PATH and self._open_metrics and is_near(scope.get("client")):
            return None
        if credential is None:
            self._metrics.refused("no_token")
            raise ApiError(
                401, "unauthorised", "Sign in, or send a token as 'Authorization: Bearer …'."
            )
        if scope["path"] == METRICS_PATH:
            return await self._admit_to_metrics(credential.token)
        token = self._known(await self._look_up(credential.token))
        _check_scope(token, method, scope["path"])
        return token

    async def _admit_to_metrics(self, sent: str) -> Token | None:
        try:
            token = await self._look_up(sent)
        except ApiError:  # The database is away.
            if self._metrics_readers.knows(sent):
                return None
            raise
        may = self._metrics_readers.admit(sent, token)
        if token is not None and not may:
            raise ApiError(403, "forbidden", "The counters are for tokens of all sites.")
        return self._known(token)

    async def _look_up(self, sent: str) -> Token | None:
        try:
            async with self._pool.connection() as conn:
                return await tokens.verify_token(conn, sent)
        except DATABASE_ERRORS as error:
            raise database_away() from error

    def _known(self, token: Token | None) -> Token:
        if token is None:
            self._metrics.refused("wrong_token")
            raise ApiError(
                401, "unauthorised", "The token is unknown, expired or revoked; sign in again."
            )
        return token


def is_open(method: str, path: str) -> bool:
    """Tell what strangers may ask for: health, signing in and out, and the page's own files."""
    if path == SESSION_PATH:
        return method in {"POST", "DELETE"}
    if method not in {"GET", "HEAD"}:
        return False
    if path == METRICS_PATH:
        return False
    return path in STRANGERS_PATHS or not (path == "/api" or path.startswith("/api/"))


def is_near(client: tuple[str, int] | None) -> bool:
    """Tell whether somebody asks from this machine, by himself or through a proxy on it."""
    return client is not None and is_loopback(client[0])


def _check_scope(token: Token, method: str, path: str) -> None:
    if (method, path) == ("POST", READINGS_PATH):
        if token.scope is not tokens.Scope.EDGE:
            raise ApiError(403, "forbidden", "Readings are sent with the token of their gateway.")
        return
    if token.scope is tokens.Scope.EDGE:
        raise ApiError(403, "forbidden", "An edge's token delivers readings and nothing else.")
    if method in UNSAFE_METHODS and token.scope is not tokens.Scope.OPERATOR:
        raise ApiError(403, "forbidden", "A viewer's token may look, but not change anything.")


async def _with_body_read(scope: Scope, receive: Receive) -> Receive:
    """Read the whole body, bounded in size and time, before any route sees the request."""
    if scope["method"] not in UNSAFE_METHODS:
        return receive
    most = _body_bytes_max(scope["path"])
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                body += message.get("body", b"")
                if len(body) > most:
                    raise ApiError(413, "too_large", f"A request may hold {most} bytes at most.")
                if not message.get("more_body", False):
                    break
    except TimeoutError as error:
        raise ApiError(408, "too_slow", "The request's body did not come in time.") from error
    return _replayed(bytes(body), receive)


def _body_bytes_max(path: str) -> int:
    if path == READINGS_PATH:
        return READINGS_BYTES_MAX
    return BACK_TEST_BYTES_MAX if BACK_TESTS_PATH.fullmatch(path) else BODY_BYTES_MAX


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return waiting.pop() if waiting else await receive()

    return read


async def _hung_up(receive: Receive) -> None:
    """Wait until the server has closed the connection of a line that was refused.

    Until then uvicorn (0.54) takes the handshake for unfinished, and would log an error for
    every stranger who calls (Kludex/uvicorn#3138). It tells of a disconnection twice: when the
    refusal has been written, and when the connection is closed.
    """
    told = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(HANG_UP_TIMEOUT_S):
            while told < 2:
                told += (await receive())["type"] == "websocket.disconnect"


class _Answer:
    """The way back: adds what every answer carries, and knows whether one has begun."""

    def __init__(self, scope: Scope, send: Send, metrics: Metrics) -> None:
        self._scope = scope
        self._send = send
        self._metrics = metrics
        self._begun = False
        self.refused_line = False

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on."""
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self._begun = True
            self.refused_line = message["type"] == "websocket.http.response.start"
            self._metrics.answered(self._scope, message["status"])
            headers = list(message.get("headers", []))
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            given = {name for name, _ in headers}  # A page may have a policy of its own.
            headers += [one for one in SECURITY_HEADERS if one[0] not in given]
            message = {**message, "headers": headers}
        elif message["type"] in {"websocket.accept", "websocket.close"}:
            self._begun = True
        await self._send(message)

    async def refuse(self, error: ApiError) -> None:
        """Answer with an error, if there is still something to answer."""
        if self._begun:
            return
        response = error.response()
        prefix = "websocket." if self._scope["type"] == "websocket" else ""
        start = {
            "type": f"{prefix}http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
        await self.send(start)
        await self.send({"type": f"{prefix}http.response.body", "body": response.body})
