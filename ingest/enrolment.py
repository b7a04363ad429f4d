"""Enrolling edges, over the edges' port: a one-time code becomes a token, and a certificate.

Everything is decided in one transaction: the code is used up exactly when the token exists. What
is wrong is answered with a sentence; whoever tries codes out is slowed down, and becomes an alarm.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from alarms.transition import Happening
from historian.enrolments import CodeSpentError, EnrolmentCode, find_code, use_code
from historian.identities import issue_certificate, record, revoke
from historian.registry import read_configuration
from historian.tokens import Scope, create_token, token_id_of
from ingest import metrics
from ingest.attempts import WINDOW_S, Attempts
from ingest.authority import Authority, SigningError, sign_request
from ingest.authority_folder import CERTIFICATE, AuthorityError, can_sign, open_authority
from ingest.desk import SiteDesk
from telemetry.certificates import read_pem
from telemetry.clock import Clock, MachineClock, real_monotonic_s
from telemetry.enrolment import (
    PROTOCOL,
    Declined,
    Enrolled,
    EnrolmentError,
    Offer,
    Request,
    decode_request,
    encode,
)

RULE = "enrolment_refused"
SUBJECT = "enrolment"
AT_ONCE_MAX = 8
ASKED_WITHIN_S = 15.0
WRONG_CODE = (
    "the code is unknown: it works once, for a short time, and must be whole; print a new one "
    "with `groundwatch edge-code`"
)

log = structlog.get_logger()


class DeclinedError(Exception):
    """An edge is not enrolled; the message is what it is told."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason  # A short word, as counted in the metrics.


@dataclass(eq=False)
class Enrolment:
    """Where edges are enrolled; one in each ingest process."""

    pool: AsyncConnectionPool
    desks: list[SiteDesk]
    clock: Clock
    authority_folder: Path | None
    attempts: Attempts = field(default_factory=Attempts)
    _at_once: int = 0

    async def answer(self, connection: ServerConnection) -> None:
        """Enrol whoever has called, or say why not."""
        address = str((connection.remote_address or ("",))[0])
        self._at_once += 1
        try:
            enrolled = await self._enrol(connection, address)
        except DeclinedError as declined:
            metrics.ENROLMENTS.labels(declined.reason).inc()
            log.warning("edge not enrolled", address=address, reason=str(declined))
            await _tell(connection, Declined(str(declined)))
        except ConnectionClosed:
            return
        else:
            metrics.ENROLMENTS.labels("enrolled").inc()
            log.info("edge enrolled", site=enrolled.site, edge=enrolled.edge, address=address)
            await _tell(connection, enrolled)
        finally:
            self._at_once -= 1

    async def _enrol(self, connection: ServerConnection, address: str) -> Enrolled:
        if self._at_once > AT_ONCE_MAX:
            raise DeclinedError("busy", "too many edges enrol at once: try again in a minute")
        if not self.attempts.may_try(address, real_monotonic_s()):
            raise DeclinedError(
                "too_many",
                f"too many wrong codes came: wait {WINDOW_S / 60:.0f} minutes and try again",
            )
        authority = self._authority_pem()
        await connection.send(encode(Offer(PROTOCOL, authority)))
        try:
            async with asyncio.timeout(ASKED_WITHIN_S):
                request = decode_request(await connection.recv())
        except TimeoutError as error:
            raise DeclinedError("protocol", "nothing was asked for in time") from error
        except EnrolmentError as error:
            self._note_wrong(address)
            raise DeclinedError("protocol", str(error)) from error
        try:
            async with self.pool.connection() as conn, conn.transaction():
                return await self._decide(conn, request, address, authority)
        except psycopg.OperationalError as error:
            raise DeclinedError(
                "not_ready", "the centre's database is away: try again with the same code"
            ) from error

    async def _decide(
        self, conn: AsyncConnection, request: Request, address: str, authority: str | None
    ) -> Enrolled:
        code = await self._code(conn, request, address)
        desk = self._desk_of(code)
        token = await create_token(
            conn, Scope.EDGE, code.site, code.edge, "enrolled", MachineClock().now_us()
        )
        token_id = token_id_of(token)
        assert token_id is not None
        if not code.keeps:
            await revoke(conn, who=address, edge=(code.site, code.edge), spared=token_id)
        certificate = await self._certificate(conn, request, code, token_id)
        if not await use_code(conn, code.code_id):
            raise DeclinedError("wrong_code", WRONG_CODE)  # The lock makes this impossible.
        await record(
            conn, "enrolled", code.site, code.edge, token_id, address, f"code {code.code_id}"
        )
        return Enrolled(
            site=code.site,
            edge=code.edge,
            token=token,
            certificate=certificate,
            authority=authority,
            site_file=await read_configuration(conn, desk.ids.site_id, desk.ids.version),
        )

    async def _code(self, conn: AsyncConnection, request: Request, address: str) -> EnrolmentCode:
        try:
            code = await find_code(conn, request.code_id, request.secret)
        except CodeSpentError as error:
            raise DeclinedError(
                "spent_code", f"{error}: print a new one with `groundwatch edge-code`"
            ) from error
        if code is None:
            self._note_wrong(address)
            raise DeclinedError("wrong_code", WRONG_CODE)
        if request.edge not in {None, f"{code.site}/{code.edge}"}:
            raise DeclinedError(
                "wrong_edge",
                f"the code is for edge {code.site}/{code.edge}, not for {request.edge}: it is "
                "not used up",
            )
        return code

    def _desk_of(self, code: EnrolmentCode) -> SiteDesk:
        for desk in self.desks:
            if desk.key == code.site and code.edge in desk.plan.structures_by_edge:
                return desk
        raise DeclinedError(
            "wrong_edge",
            f"the site file here has nothing for edge {code.site}/{code.edge}: call the centre "
            "that owns the site, or add a bus for this edge",
        )

    async def _certificate(
        self, conn: AsyncConnection, request: Request, code: EnrolmentCode, token_id: str
    ) -> str | None:
        signer = self._signer()
        if signer is None:
            return None
        now_us = MachineClock().now_us()
        try:
            pem = sign_request(signer, request.csr, code.site, code.edge, now_us)
        except SigningError as error:
            raise DeclinedError("protocol", f"no certificate was made: {error}") from error
        signed = read_pem(pem)[0]
        await issue_certificate(
            conn,
            issuer=signed.issuer,
            serial=signed.serial,
            site=code.site,
            edge=code.edge,
            token_id=token_id,
            ends_us=signed.ends_us,
        )
        return pem.decode()

    def _authority_pem(self) -> str | None:
        if self.authority_folder is None:
            return None
        try:
            return (self.authority_folder / CERTIFICATE).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise DeclinedError("not_ready", "the centre can't read its authority") from error

    def _signer(self) -> Authority | None:
        """Open the authority anew each time: its key is in memory no longer than it is needed."""
        if self.authority_folder is None or not can_sign(self.authority_folder):
            return None
        try:
            return open_authority(self.authority_folder)
        except AuthorityError as error:
            log.error("no certificate can be signed", reason=str(error))  # noqa: TRY400
            raise DeclinedError("not_ready", "the centre can't sign: see its log") from error

    def _note_wrong(self, address: str) -> None:
        now_s = real_monotonic_s()
        if not self.attempts.was_wrong(address, now_s):
            return
        detail = {
            "wrong_codes": self.attempts.count(now_s),
            "minutes": WINDOW_S / 60,
            "address": address,
        }
        log.error("somebody tries enrolment codes out", **detail)
        for desk in self.desks:
            desk.notices.append(Happening(SUBJECT, RULE, None, self.clock.now_us(), detail))


async def _tell(connection: ServerConnection, message: Enrolled | Declined) -> None:
    with suppress(ConnectionClosed):
        await connection.send(encode(message))
        await connection.close()
