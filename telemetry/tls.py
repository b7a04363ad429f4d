"""Contexts for secured lines, made in this one place: TLS 1.2 or newer, always verified.

Whoever serves has a `ServerIdentity`, whose files may be replaced while it serves; whoever calls
makes a context with `client_context`. Nothing here opens a line; complaints about files are
sentences. Other rooms pass contexts on, and do not import `ssl` themselves (import contract).
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext, SSLSocket

from telemetry.certificates import Certificate, CertificateError, read_pem
from telemetry.tls_errors import Trouble, trouble_of

__all__ = [
    "Credentials",
    "SSLContext",
    "SSLSocket",
    "ServerIdentity",
    "TlsFilesError",
    "client_context",
    "context_for_a_fingerprint",
    "credentials_of",
    "read_certificates",
]

READABLE_BY_OTHERS = 0o007
# The line is still being made, or it has ended.
_NO_TROUBLE = (
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
# From OpenSSL's x509_vfy.h (X509_V_FLAG_NO_CHECK_TIME), which Python's ssl does not name.
NO_CHECK_TIME = 0x200000
Stamp = tuple[tuple[int, int, int], ...]


class TlsFilesError(Exception):
    """A certificate or a key can't be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files by which somebody proves who he is."""

    certificate: Path
    key: Path


def credentials_of(certificate: Path | None, key: Path | None) -> Credentials | None:
    """Put two options together that are given both, or neither."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise TlsFilesError("--certificate and --key belong together: give both, or neither.")
    return Credentials(certificate, key)


class ServerIdentity:
    """Who a server is, towards whoever calls; its files may be replaced while it serves.

    `context` is given to the server once. Each handshake is made with what was read last, so a
    replaced certificate counts from the next connection on, and a broken one never does.
    """

    def __init__(
        self,
        credentials: Credentials,
        client_authority: Path | None = None,
        *,
        on_trouble: Callable[[Trouble], None] | None = None,
    ) -> None:
        self._credentials = credentials
        self._client_authority = client_authority
        self._stamp = self._look_at_files()
        self.certificate = read_certificates(credentials.certificate)[0]
        self._current = self._made()
        self.context = self._made()
        self.context.sni_callback = self._choose  # Called in every handshake, with a name or not.
        _watch(self.context, on_trouble)

    def look(self) -> bool:
        """Take replaced files over; tell whether there were any.

        Raises TlsFilesError, once for each change, when the new ones can't be used; the old go on.
        """
        stamp = self._look_at_files()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        certificate = read_certificates(self._credentials.certificate)[0]
        self._current = self._made()
        self.certificate = certificate
        return True

    def _made(self) -> SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_credentials(context, self._credentials)
        if self._client_authority is not None:
            context.verify_mode = ssl.CERT_OPTIONAL  # Who has none is known by his token alone.
            _load_authority(context, self._client_authority)
        return context

    def _choose(self, line: ssl.SSLObject | ssl.SSLSocket, _: str | None, __: SSLContext) -> None:
        line.context = self._current

    def _look_at_files(self) -> Stamp:
        files = [self._credentials.certificate, self._credentials.key]
        if self._client_authority is not None:
            files.append(self._client_authority)
        stamps = []
        for path in files:
            try:
                found = path.stat()
            except OSError:  # Told when it is read.
                stamps.append((0, 0, 0))
            else:
                stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(stamps)


def client_context(
    authority: Path | None = None,
    credentials: Credentials | None = None,
    *,
    now_us: int | None = None,
    on_trouble: Callable[[Trouble], None] | None = None,
) -> SSLContext:
    """Make the context of somebody who calls: server and host name are always verified.

    With an authority only what that one has signed is trusted; without, what the system trusts.
    A clock that shows a time from before the authority itself began is certainly wrong (an edge's
    battery is empty): given `now_us`, ends are then not looked at, because a dead clock must not
    blind a dam. Who has signed, and for which host, is verified as ever.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # Trusts nobody yet.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_authority(context, authority)
        began_us = min(one.begins_us for one in read_certificates(authority))
        if now_us is not None and now_us < began_us:
            context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)
    if credentials is not None:
        _load_credentials(context, credentials)
    _watch(context, on_trouble)
    return context


def context_for_a_fingerprint() -> SSLContext:
    """Make a context that verifies nobody: only to fetch a certificate whose fingerprint is known.

    Nothing may be sent over such a line, and what comes is worth only as much as its fingerprint.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_certificates(path: Path) -> list[Certificate]:
    """Read the certificates of a file, or say why that can't be done."""
    try:
        return read_pem(path.read_bytes())
    except OSError as error:
        raise TlsFilesError(f"{path} can't be read: {error.strerror}.") from error
    except CertificateError as error:
        raise TlsFilesError(f"{path} can't be used: {error}.") from error


def _load_credentials(context: SSLContext, credentials: Credentials) -> None:
    read_certificates(credentials.certificate)  # What is wrong with it is told better here.
    key = credentials.key
    try:
        if key.stat().st_mode & READABLE_BY_OTHERS:
            raise TlsFilesError(f"Everybody can read the key {key}: `chmod 600 {key}`.")
        key.read_bytes()
        # An encrypted key would ask on the terminal, where nobody is.
        context.load_cert_chain(credentials.certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        raise TlsFilesError(_about_key(credentials, error)) from error
    except OSError as error:
        raise TlsFilesError(f"The key {key} can't be read: {error.strerror}.") from error


def _about_key(credentials: Credentials, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"The key {credentials.key} does not belong to the certificate "
            f"{credentials.certificate}: give the key that it was made with."
        )
    if error.reason in {"EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"}:
        return f"The certificate {credentials.certificate} is too weak: make a new one."
    return f"{credentials.key} is no PEM key, or is encrypted: give one without a passphrase."


def _load_authority(context: SSLContext, authority: Path) -> None:
    if not any(one.is_authority for one in read_certificates(authority)):
        raise TlsFilesError(
            f"{authority} is no authority's certificate: give the file of the authority that "
            "signs (authority.crt), not of one that it has signed."
        )
    try:
        context.load_verify_locations(cafile=authority)
    except OSError as error:  # ssl.SSLError is one too.
        raise TlsFilesError(f"{authority} can't be used: {error}.") from error


def _watch(context: SSLContext, on_trouble: Callable[[Trouble], None] | None) -> None:
    def note(error: ssl.SSLError) -> None:
        trouble = trouble_of(error)
        if trouble is not None and on_trouble is not None:
            on_trouble(trouble)

    context.sslobject_class = _watched(note)
    context.sslsocket_class = _HangingUp


class _HangingUp(SSLSocket):
    """A socket that is closed when the other side is not to be trusted; paho leaves it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _watched(note: Callable[[ssl.SSLError], None]) -> type[ssl.SSLObject]:
    """Make the kind of line that tells why it was not made: asyncio tells neither side.

    It closes a failed handshake at once, and the other side never gets the alert that says why
    (CPython, asyncio/sslproto.py). So a line on which a certificate was refused asks for more
    first, which sends the alert; the other side then hangs up, and what was noted says why.
    """

    class WatchedLine(ssl.SSLObject):
        _refused: ssl.SSLError | None = None

        def do_handshake(self) -> None:
            if self._refused is not None:
                raise self._refused
            try:
                super().do_handshake()
            except _NO_TROUBLE:
                raise
            except ssl.SSLCertVerificationError as error:
                note(error)
                self._refused = error
                raise ssl.SSLWantReadError from error
            except ssl.SSLError as error:
                note(error)
                raise

        def read(self, len: int = 1024, buffer: bytearray | None = None) -> bytes | int:  # type: ignore[override]  # noqa: A002
            """Read; with TLS 1.3 it is only here that who calls hears of being refused."""
            try:
                return super().read(len) if buffer is None else super().read(len, buffer)
            except _NO_TROUBLE:
                raise
            except ssl.SSLError as error:
                note(error)
                raise

    return WatchedLine
