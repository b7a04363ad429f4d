"""How a centre's lines are secured: which files, whether they can be used, and their replacement.

Files are looked at every few seconds, so that a renewed certificate needs no restart. Handshakes
that fail never reach the programs behind them; they are counted and told here, though not more
often than once a minute for each reason: whoever scans ports fills no log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest import metrics
from ingest.authority_folder import CERTIFICATE, AuthorityError, can_sign, open_authority
from telemetry.clock import MachineClock, real_monotonic_s
from telemetry.tls import Credentials, ServerIdentity, TlsFilesError, read_certificates
from telemetry.tls_errors import Trouble

LOOK_EVERY_S = 10.0
SAME_TROUBLE_APART_S = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Encryption:
    """The files of one service's secured line; without credentials, it is not secured."""

    credentials: Credentials | None = None
    client_authority: Path | None = None  # Whose certificates of edges are believed.
    authority_folder: Path | None = None  # Our own authority, which signs for edges.

    @property
    def believed(self) -> Path | None:
        """The file of the authority whose certificates of edges are believed."""
        if self.client_authority is None and self.authority_folder is not None:
            return self.authority_folder / CERTIFICATE
        return self.client_authority

    def complaints(self) -> list[str]:
        """Say what is wrong with the files."""
        if self.credentials is None:
            given = self.client_authority or self.authority_folder
            return [f"{given} is of no use without --certificate and --key."] if given else []
        try:
            ServerIdentity(self.credentials, self.believed)
            if self.authority_folder is not None:
                read_certificates(self.authority_folder / CERTIFICATE)
                if can_sign(self.authority_folder):
                    open_authority(self.authority_folder)
        except (TlsFilesError, AuthorityError) as error:
            return [str(error)]
        return []

    def arguments(self) -> Sequence[str]:
        """Write the options that a service is started with."""
        words: list[str] = []
        if self.credentials is not None:
            words += ["--certificate", str(self.credentials.certificate)]
            words += ["--key", str(self.credentials.key)]
        if self.client_authority is not None:
            words += ["--client-authority", str(self.client_authority)]
        if self.authority_folder is not None:
            words += ["--authority-folder", str(self.authority_folder)]
        return words

    def identity(self) -> ServerIdentity | None:
        """Read the files for the edges' line; TlsFilesError when they can't be used."""
        if self.credentials is None:
            return None
        identity = ServerIdentity(self.credentials, self.believed, on_trouble=_Teller().tell)
        if identity.certificate.is_over(MachineClock().now_us()):
            log.error("the centre's certificate has expired: no edge will believe it")
        return identity


async def watch_files(
    identity: ServerIdentity, replaced: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Take replaced certificates over while the service runs; a broken one is told."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            if identity.look():
                log.info("certificate replaced", serial=identity.certificate.serial)
                if replaced is not None:
                    await replaced()
        except TlsFilesError as error:
            log.error("new certificate refused, the old one is used on", reason=str(error))  # noqa: TRY400


class _Teller:
    """Counts handshakes that failed, and tells of each reason once in a while."""

    def __init__(self) -> None:
        self._told_s: dict[str, float] = {}

    def tell(self, trouble: Trouble) -> None:
        """Note that a handshake has failed."""
        metrics.HANDSHAKES_FAILED.labels(trouble.reason).inc()
        now_s = real_monotonic_s()
        if now_s - self._told_s.get(trouble.reason, float("-inf")) >= SAME_TROUBLE_APART_S:
            self._told_s[trouble.reason] = now_s
            log.warning("a caller got no secured line", why=trouble.sentence)
