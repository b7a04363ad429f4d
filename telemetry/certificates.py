"""What a certificate says: for whom it is, until when, and which edge it names.

An edge's certificate names it as ``urn:groundwatch:edge:SITE/EDGE`` among its alternative names,
and as SITE/EDGE in its common name, which is for people.
"""

import hashlib
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from telemetry.clock import instant_us

EDGE_URI = "urn:groundwatch:edge:"
EDGE = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})/([a-z0-9][a-z0-9_-]{0,62})\Z")
# What the library says of certificates that are none inside; KeyError of a string of unknown kind.
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    OverflowError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)
PEM_BYTES_MAX = 256 * 1024  # A chain has a few kilobytes.


class CertificateError(Exception):
    """These bytes hold no certificate that can be read; the message says what they hold."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, as far as anybody here asks."""

    subject: str
    issuer: str
    serial: str  # Hexadecimal.
    sha256: str  # Of the whole, hexadecimal: its fingerprint.
    begins_us: int
    ends_us: int
    hosts: tuple[str, ...]  # The host names and addresses that it is for.
    edge: tuple[str, str] | None  # The site and the edge that it names.
    is_authority: bool

    def is_over(self, now_us: int) -> bool:
        """Tell whether it has ended."""
        return now_us >= self.ends_us


def read_pem(pem: bytes) -> list[Certificate]:
    """Read the certificates of a PEM file, in their order: the first is whose file it is."""
    if len(pem) > PEM_BYTES_MAX:
        raise CertificateError(f"{len(pem)} bytes are too many for certificates")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except UNREADABLE as error:
        raise CertificateError("there is no PEM certificate in it") from error
    return [_said_by(one) for one in found]


def read_der(der: bytes) -> Certificate:
    """Read a certificate as it comes over a line."""
    try:
        found = x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        raise CertificateError("it is no certificate") from error
    return _said_by(found)


def edge_named(text: str) -> tuple[str, str] | None:
    """Read SITE/EDGE; None when it is not like that.

    >>> edge_named("mine/dam-box")
    ('mine', 'dam-box')
    >>> edge_named("mine") is None
    True
    """
    found = EDGE.match(text)
    return None if found is None else (found[1], found[2])


def _said_by(found: x509.Certificate) -> Certificate:
    try:
        names = _alternative_names(found)
        return Certificate(
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            serial=f"{found.serial_number:x}",
            sha256=hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest(),
            begins_us=instant_us(found.not_valid_before_utc),
            ends_us=instant_us(found.not_valid_after_utc),
            hosts=_hosts(names),
            edge=_edge(found.subject, names),
            is_authority=_is_authority(found),
        )
    except UNREADABLE as error:
        raise CertificateError(f"it is malformed: {error}") from error


def _alternative_names(found: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _hosts(names: x509.SubjectAlternativeName | None) -> tuple[str, ...]:
    if names is None:
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *(str(one) for one in addresses))


def _edge(subject: x509.Name, names: x509.SubjectAlternativeName | None) -> tuple[str, str] | None:
    uris = [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)
    ours = [uri.removeprefix(EDGE_URI) for uri in uris if uri.startswith(EDGE_URI)]
    if not ours:
        ours = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return edge_named(ours[0]) if len(ours) == 1 else None  # Who has two names has none.


def _is_authority(found: x509.Certificate) -> bool:
    try:
        return bool(found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False
