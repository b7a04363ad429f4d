"""The edge's side of a secured line: whom it believes, and what it shows of itself.

Made anew for each connection, so that replaced files count without a restart.
"""

from pathlib import Path

import structlog

from edge_agent.settings import EdgeSettings, SettingsError
from telemetry.clock import MachineClock
from telemetry.tls import (
    Credentials,
    SSLContext,
    TlsFilesError,
    client_context,
    read_certificates,
)
from telemetry.tls_errors import Trouble

log = structlog.get_logger()


class SecuredLine:
    """Makes the context of each connection; a line without encryption has none."""

    def __init__(
        self, centre: str, authority: Path | None = None, credentials: Credentials | None = None
    ) -> None:
        self._is_secured = centre.startswith("wss:")
        self._authority = authority
        self._credentials = credentials
        self._goes_without = False
        self.trouble: Trouble | None = None  # Why the newest line was not made.

    @classmethod
    def of(cls, settings: EdgeSettings) -> "SecuredLine":
        """Take the files from an edge's settings."""
        return cls(settings.centre, settings.authority, settings.credentials)

    def context(self) -> SSLContext | None:
        """Make the context of the next connection; SettingsError when a file can't be used."""
        self.trouble = None
        if not self._is_secured:
            return None
        now_us = MachineClock().now_us()
        try:
            return client_context(
                self._authority, self._shown(now_us), now_us=now_us, on_trouble=self._note
            )
        except TlsFilesError as error:
            raise SettingsError(str(error)) from error

    def _note(self, trouble: Trouble) -> None:
        self.trouble = trouble

    def _shown(self, now_us: int) -> Credentials | None:
        """Leave out a certificate that has expired: with it the line would be refused.

        The token says who we are as well, and a dam must not be blind because of a date.
        """
        if self._credentials is None:
            return None
        is_over = read_certificates(self._credentials.certificate)[0].is_over(now_us)
        if is_over and not self._goes_without:
            log.error(
                "the edge's certificate has expired; the line goes by its token alone",
                certificate=str(self._credentials.certificate),
                remedy="enrol this edge again",
            )
        self._goes_without = is_over
        return None if is_over else self._credentials
