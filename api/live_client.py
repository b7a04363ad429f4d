"""One live line: a reader for what the client asks, a writer for what it gets.

The writer alone waits for the client, with a deadline for every message, so a client that
does not read holds up nobody else. For alarms the journal itself is the queue and the client a
cursor in it: nothing is dropped, and a client that is too slow is cut and resumes by cursor.
For readings the queue is the set of channels that changed: the latest value wins.
"""

import asyncio
import json
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.errors import DATABASE_ERRORS, sentence_of
from api.live_feed import LiveFeed
from api.live_site import LiveSite, cursor_text
from api.site_directory import SiteDirectory
from api.views import Input, JournalNumber
from historian.tokens import Token
from telemetry.clock import Clock, instant_at, real_monotonic_s
from telemetry.part import Key

FIRST_WORD_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
BEAT_S = 5.0  # A client that hears nothing for longer knows that the line is dead.
DATABASE_RETRY_S = 0.5
ENTRIES_PER_READ = 200
WISHES_MAX = 1000  # Nobody changes a subscription this often on one line.

NORMAL, WRONG_KIND, NOT_ALLOWED, AGAIN_LATER = 1000, 1003, 1008, 1013


class Subscription(Input):
    """What a client wants to hear of a site."""

    site: Key
    alarms: bool = True
    channels: Annotated[tuple[Key, ...], Field(max_length=20_000)] | Literal["all"] = ()
    cursor: dict[Key, JournalNumber] | None = None


class Wish(Input):
    """The only message that a client sends."""

    subscribe: Subscription


class LineEnd(Exception):  # noqa: N818 - ends a line, and often nothing is wrong
    """Closes the line, with a code of RFC 6455 and a sentence."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True, eq=False)
class Following:
    """A subscription that is being served."""

    site: LiveSite
    alarms: bool
    channels: frozenset[str] | None  # None: all.
    cursor: int
    greeted: bool = False


class LiveClient:
    """Serves one websocket until it ends."""

    def __init__(
        self,
        socket: WebSocket,
        token: Token,
        *,
        feed: LiveFeed,
        directory: SiteDirectory,
        clock: Clock,
        send_timeout_s: float,
    ) -> None:
        self._socket = socket
        self._token = token
        self._feed = feed
        self._directory = directory
        self._clock = clock
        self._send_timeout_s = send_timeout_s
        self._following: Following | None = None
        self._site_id: int | None = None
        self._changed: Set[str] = frozenset()
        self._news = asyncio.Event()
        self._end: LineEnd | None = None
        self._writer: asyncio.Task[None] | None = None
        self._beat_s = real_monotonic_s() + BEAT_S
        self._sending_s: float | None = None  # Since when the client is waited for.
        self._is_too_slow = False

    @property
    def site_id(self) -> int | None:
        """The site it watches."""
        return self._site_id

    @property
    def token_id(self) -> str:
        """The token it came with."""
        return self._token.token_id

    def wake(self, changed: Set[str]) -> None:
        """Be told that something is new; the set is shared with others and never changes."""
        self._changed = self._changed | changed if self._changed else changed
        self._news.set()

    def look(self, now_s: float) -> None:
        """Be told the time: whether a beat is due, or the client has taken nothing for too long.

        One look at all clients costs less than a timer for each message of each.
        """
        if self._sending_s is not None:
            if now_s - self._sending_s > self._send_timeout_s and self._writer is not None:
                self._is_too_slow = True
                self._writer.cancel()
        elif now_s >= self._beat_s:
            self._news.set()

    def end(self, code: int, reason: str) -> None:
        """Be told to close."""
        self._end = LineEnd(code, reason)
        self._news.set()

    async def serve(self) -> int | None:
        """Serve the line; return the code that it was closed with, None if the client left."""
        await self._socket.accept()
        self._feed.join(self)
        self._writer = asyncio.create_task(self._write())
        tasks = [asyncio.create_task(self._read()), self._writer]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._feed.leave(self)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        if self._is_too_slow:
            ends = [LineEnd(AGAIN_LATER, "too slow; resume by cursor")]
        for end in ends:
            if isinstance(end, LineEnd):
                await self._close(end)
                return end.code
            if isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect):
                raise end
        return None

    async def _close(self, end: LineEnd) -> None:
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close(end.code, end.reason)

    # What the client asks

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(FIRST_WORD_TIMEOUT_S):
                await self._hear_one()
        except TimeoutError as error:
            raise LineEnd(NOT_ALLOWED, "nothing was subscribed to in time") from error
        for _ in range(WISHES_MAX):
            await self._hear_one()
        raise LineEnd(NOT_ALLOWED, "too many subscriptions on one line")

    async def _hear_one(self) -> None:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        text = message.get("text")
        if text is None:
            raise LineEnd(WRONG_KIND, "messages are JSON text")
        try:
            wish = Wish.model_validate_json(text).subscribe
        except ValidationError as error:
            raise LineEnd(NOT_ALLOWED, _short(sentence_of(error.errors()))) from error
        try:
            await self._follow(wish)
        except DATABASE_ERRORS as error:
            raise LineEnd(AGAIN_LATER, "the database cannot be reached just now") from error

    async def _follow(self, wish: Subscription) -> None:
        record = await self._directory.find(wish.site)
        if record is None or not self._token.may_see(wish.site):
            raise LineEnd(NOT_ALLOWED, f"there is no site '{wish.site}' for this token")
        if wish.channels != "all":
            unknown = sorted(set(wish.channels) - record.plan.channel_by_key.keys())
            if unknown:
                raise LineEnd(NOT_ALLOWED, _short(f"there is no channel '{unknown[0]}'"))
        self._site_id = record.site_id  # From here on the feed keeps the site.
        site = await self._feed.site(record)

        before = self._following
        if wish.cursor is not None and wish.site in wish.cursor:
            cursor = min(wish.cursor[wish.site], site.head)
        elif before is not None and before.site is site:
            cursor = before.cursor
        else:
            cursor = site.head
        channels = None if wish.channels == "all" else frozenset(wish.channels)
        self._following = Following(site, wish.alarms, channels, cursor)
        self._changed = set(site.rows)
        self._news.set()

    # What the client gets

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._end is not None:
                raise self._end
            # Another one may be wished for while we send: its greeting comes first, next time.
            if (following := self._following) is not None:
                await self._greet(following)
                await self._send_entries(following)
                await self._send_readings(following)
            if real_monotonic_s() >= self._beat_s:
                await self._beat(self._following)
                self._beat_s = real_monotonic_s() + BEAT_S

    async def _beat(self, following: Following | None) -> None:
        cursor = "{}"  # Until something is subscribed to.
        if following is not None:
            cursor = cursor_text(following.site.record.key, following.cursor)
        await self._send(f'{{"type":"clock","now_at":{self._now_text()},"cursor":{cursor}}}')

    async def _greet(self, following: Following) -> None:
        if following.greeted:
            return
        following.greeted = True
        cursor = cursor_text(following.site.record.key, following.cursor)
        await self._send(
            f'{{"type":"hello","now_at":{self._now_text()},'
            f'"rate":{json.dumps(self._clock.rate)},"cursor":{cursor}}}'
        )

    async def _send_entries(self, following: Following) -> None:
        site = following.site
        while following is self._following and following.cursor < site.head and not self._end:
            if not following.alarms:
                following.cursor = site.head
                return
            try:
                entries = await self._feed.entries_after(site, following.cursor, ENTRIES_PER_READ)
            except DATABASE_ERRORS:
                # They are in the store and stay there; the cursor waits with us.
                await asyncio.sleep(DATABASE_RETRY_S)
                self._news.set()
                return
            if not entries:  # The journal is shorter than it was; the feed ends the line for it.
                return
            for entry in entries:
                await self._send(entry.text)
                following.cursor = entry.number
                self._feed.pushed(site, entry)

    async def _send_readings(self, following: Following) -> None:
        if following is not self._following:
            return
        changed, self._changed = self._changed, frozenset()
        if following.channels is not None:
            changed &= following.channels
        if text := following.site.values_text(changed, following.cursor):
            await self._send(text)

    async def _send(self, text: str) -> None:
        self._sending_s = real_monotonic_s()
        try:
            await self._socket.send_text(text)
        except RuntimeError as error:  # The server has closed the line already.
            raise WebSocketDisconnect(NORMAL) from error
        finally:
            self._sending_s = None

    def _now_text(self) -> str:
        now_at = instant_at(self._clock.now_us())
        return json.dumps(now_at.isoformat().replace("+00:00", "Z"))


def _short(reason: str) -> str:
    """Fit a sentence into a close frame, which holds 123 bytes of reason."""
    return reason.encode()[:120].decode(errors="ignore")
