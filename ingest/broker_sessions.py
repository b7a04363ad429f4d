"""Edges that deliver over an MQTT broker: a session for each, over one connection of ours.

Whoever may publish at the broker can write to us, so nothing is believed that is not sealed with
an edge's token (`telemetry.sealing`, decision record 0009). A session then is to
`ingest.conversation` what a websocket is. When our connection ends, so do all its sessions: the
edges notice, and make new ones.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from carriers.broker import BrokerError, BrokerLine, broker_line
from carriers.broker_settings import BrokerSettingsError, BrokerUrl
from historian.tokens import Scope
from ingest import metrics
from ingest.conversation import (
    Caller,
    CarrierClosedError,
    LineParts,
    StreamRefusedError,
    answer_edge,
)
from telemetry import sealing
from telemetry.broker_topics import down_topic, every_up_topic, session_of
from telemetry.clock import real_monotonic_s
from telemetry.sealing import Opener, Sealer, SealError, Session

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
KEEP_ALIVE_S = 10.0
SILENCE_S = 30.0  # Without a sealed word an edge is gone.
UNUSED_S = 10.0  # A challenge that nobody answers is forgotten.
GOODBYE_WITHIN_S = 1.0
END_WITHIN_S = 2.0
OPENINGS_MAX = 32  # Looked up at a time; an edge that is not answered asks again.
FRAMES_HELD_MAX = 256  # Of a session, come and not yet handed over; the others come again.
BYTES_HELD_MAX = 8 << 20
NOT_KNOWN = "the token is unknown, expired or revoked: make a new one for this edge"

log = structlog.get_logger()


class EdgeSession:
    """One session: what a websocket is elsewhere."""

    def __init__(
        self,
        broker: BrokerLine,
        session: Session,
        keys: sealing.Keys,
        nonce: bytes,
        on_end: Callable[["EdgeSession"], None],
    ) -> None:
        self.session = session
        self.nonce = nonce
        self.has_spoken = False
        self.heard_s = real_monotonic_s()
        self._broker = broker
        self._sealer, self._opener = Sealer(keys.down), Opener(keys.up)
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._bytes = 0
        self._ended = asyncio.Event()
        self._on_end = on_end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Take the frames that have come, until the session ends."""
        while (frame := await self._frames.get()) is not None:
            self._bytes -= len(frame)
            yield frame

    async def send(self, message: bytes) -> None:
        """Seal a frame and send it."""
        if self._ended.is_set():
            raise CarrierClosedError("the session has ended")
        try:
            await self._broker.publish(down_topic(self.session), self._sealer.seal(message))
        except BrokerError as error:
            self.end()
            raise CarrierClosedError(str(error)) from error

    async def close(self, code: int = 1000, reason: str = "") -> None:  # noqa: ARG002 - a websocket's
        """Say goodbye, and end."""
        with suppress(CarrierClosedError, TimeoutError):
            async with asyncio.timeout(GOODBYE_WITHIN_S):
                await self.send(sealing.GOODBYE)
        self.end()

    async def wait_closed(self) -> None:
        """Wait until the session has ended."""
        await self._ended.wait()

    def take(self, message: bytes) -> bool:
        """Take a message that came on the session's topic; tell whether it was the edge's."""
        try:
            frame = self._opener.open(message)
        except SealError:
            metrics.BROKER_MESSAGES_REFUSED.labels("seal").inc()
            return False
        self.heard_s = real_monotonic_s()
        if frame == sealing.GOODBYE:
            self.end()
        elif frame != sealing.KEEP_ALIVE:
            full = self._frames.qsize() >= FRAMES_HELD_MAX or self._bytes >= BYTES_HELD_MAX
            if full:  # What is not acknowledged is sent again.
                metrics.BROKER_MESSAGES_REFUSED.labels("too_much").inc()
                return True
            self._bytes += len(frame)
            self._frames.put_nowait(frame)
        return True

    def end(self) -> None:
        """Let nothing more in or out."""
        if not self._ended.is_set():
            self._ended.set()
            self._frames.put_nowait(None)
            self._on_end(self)


class BrokerSessions:
    """Keeps the connection to the broker, and the edges' sessions over it."""

    def __init__(
        self,
        parts: LineParts,
        sites: Sequence[str],
        broker: BrokerUrl,
        settings_file: Path | None,
    ) -> None:
        self._parts = parts
        self._topics = [every_up_topic(site) for site in sites]
        self._address = broker
        self._settings_file = settings_file
        self._sessions: dict[Session, EdgeSession] = {}
        self._opening: set[Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempt = 0
        self._down: str | None = None

    async def run(self) -> None:
        """Serve edges until cancelled; a broker that is away is called again and again."""
        while True:
            try:
                async with broker_line(self._address, self._settings_file, self._topics) as broker:
                    await self._serve(broker)
            except (BrokerError, BrokerSettingsError) as error:
                self._tell_down(str(error))
            pause_s = RETRY_S[min(self._attempt, len(RETRY_S) - 1)]
            self._attempt += 1
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _serve(self, broker: BrokerLine) -> None:
        log.info("edges may come over the broker", broker=str(self._address))
        metrics.BROKER_CONNECTED.labels("edges").set(1)
        self._attempt, self._down = 0, None
        watching = asyncio.create_task(self._watch(), name="edges over the broker")
        try:
            while True:
                topic, message = await broker.receive()
                self._route(broker, topic, message)
        finally:
            metrics.BROKER_CONNECTED.labels("edges").set(0)
            watching.cancel()
            for session in list(self._sessions.values()):
                session.end()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=END_WITHIN_S)

    def _route(self, broker: BrokerLine, topic: str, message: bytes) -> None:
        session = session_of(topic)
        kind = message[0] if message else 0
        if session is None or kind not in {sealing.OPEN, sealing.SEALED}:
            metrics.BROKER_MESSAGES_REFUSED.labels("unknown").inc()
            return
        known = self._sessions.get(session)
        if kind == sealing.OPEN:
            waiting = session in self._opening or len(self._opening) >= OPENINGS_MAX
            if waiting or (known is not None and known.has_spoken):
                metrics.BROKER_MESSAGES_REFUSED.labels("too_much").inc()
                return
            self._opening.add(session)
            self._keep(self._open(broker, session, message))
        elif known is None:  # Of a session that has ended, or of before we came.
            metrics.BROKER_MESSAGES_REFUSED.labels("no_session").inc()
        elif known.take(message) and not known.has_spoken:
            known.has_spoken = True
            self._keep(self._converse(known))

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, broker: BrokerLine, session: Session, message: bytes) -> None:
        """Answer an opening with a challenge, or with a hint why not."""
        try:
            caller, root = await self._caller_of(session, message)
        except StreamRefusedError as refused:
            metrics.LINES_REFUSED.labels(refused.code).inc()
            hint = bytes([sealing.HINT]) + refused.message.encode()
            with suppress(BrokerError):
                await broker.publish(down_topic(session), hint)
            return
        except SealError:
            metrics.BROKER_MESSAGES_REFUSED.labels("seal").inc()
            return
        finally:
            self._opening.discard(session)
        known = self._sessions.get(session)
        if known is None:
            nonce = secrets.token_bytes(sealing.NONCE_BYTES)
            keys = sealing.keys_of(root, session, nonce)
            known = EdgeSession(broker, session, keys, nonce, self._forget)
            self._sessions[session] = known
            self._parts.callers[known] = caller
        with suppress(BrokerError):
            await broker.publish(down_topic(session), sealing.challenge(root, session, known.nonce))

    async def _caller_of(self, session: Session, message: bytes) -> tuple[Caller, bytes]:
        """Find who wrote an opening, and the key that proves it."""
        found = await self._parts.find(sealing.token_id_in(message))
        if found is None:
            raise StreamRefusedError("unauthorised", NOT_KNOWN)
        token, token_hash = found
        root = sealing.root_key(token_hash)
        sealing.check_opening(root, session, message)
        its_own = (Scope.EDGE, session.site, session.edge)
        if (token.scope, token.site, token.edge) != its_own:
            raise StreamRefusedError(
                "unauthorised",
                f"this token is not for edge '{session.edge}' of site '{session.site}'",
            )
        caller = Caller(
            token_id=token.token_id,
            site=session.site,
            edge=session.edge,
            certificate=None,  # The broker has seen it, and we the broker's.
            address=str(self._address),
        )
        return caller, root

    async def _converse(self, session: EdgeSession) -> None:
        try:
            await answer_edge(self._parts, self._parts.callers[session], session)
        except Exception:  # One edge's session; the others go on.
            log.exception("a session over the broker failed", edge=session.session.edge)
        finally:
            session.end()

    def _forget(self, session: EdgeSession) -> None:
        self._sessions.pop(session.session, None)
        self._parts.callers.pop(session, None)

    async def _watch(self) -> None:
        """Show now and then that we are there, and end the sessions of edges that are not."""
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            now_s = real_monotonic_s()
            for session in list(self._sessions.values()):
                allowed_s = SILENCE_S if session.has_spoken else UNUSED_S
                if now_s - session.heard_s > allowed_s:
                    session.end()
                elif session.has_spoken:
                    with suppress(CarrierClosedError):
                        await session.send(sealing.KEEP_ALIVE)

    def _tell_down(self, reason: str) -> None:
        """Log the change, not every attempt."""
        if reason != self._down:
            log.warning(
                "the broker is away; edges keep what they have",
                broker=str(self._address),
                reason=reason,
            )
        self._down = reason
