"""A certificate authority of one's own, for mines without one: small, and long enough alive.

It signs two kinds of certificate: a centre's, for host names and addresses, and an edge's, which
names its site and edge. Keys are ECDSA P-256. The instant is an argument; keys and serial numbers
are random.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from telemetry.certificates import EDGE_URI
from telemetry.clock import instant_at

AUTHORITY_DAYS = 3653
SERVER_DAYS_MAX = 825  # Longer ones are refused by browsers, also of one's own authority (Apple).
EDGE_DAYS = 730
# A machine whose clock is a little behind must not find a new certificate "not valid yet".
BACKDATED = timedelta(days=1)
CSR_BYTES_MAX = 8 * 1024
COMMON_NAME_MAX = 64  # ub-common-name, RFC 5280 appendix A.1.


class SigningError(Exception):
    """Something can't be signed; the message says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A new certificate with its key, as they are written into files."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Authority:
    """An authority that can sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """Its certificate, which everybody may see."""
        return self.certificate.public_bytes(Encoding.PEM)


def new_authority(name: str, now_us: int) -> Pair:
    """Make an authority that signs itself."""
    if not 0 < len(name) <= COMMON_NAME_MAX or not name.isprintable():
        raise SigningError(f"An authority's name has 1 to {COMMON_NAME_MAX} printable characters.")
    key = _new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    begins, ends = _validity(now_us, AUTHORITY_DAYS)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return Pair(signed.public_bytes(Encoding.PEM), _key_pem(key))


def read_authority(certificate: bytes, key: bytes) -> Authority:
    """Put an authority together from its two files' contents."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError("it is no certificate with a key without passphrase") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise SigningError("its key is not one of ECDSA, as `groundwatch ca new` makes it")
    if private.public_key() != found.public_key():
        raise SigningError("key and certificate do not belong together")
    return Authority(found, private)


def new_server(authority: Authority, hosts: list[str], now_us: int, *, days: int) -> Pair:
    """Make a centre's certificate for all the names and addresses that it is called by."""
    if not hosts:
        raise SigningError("Name at least one host that the centre is called by.")
    if not 1 <= days <= SERVER_DAYS_MAX:
        raise SigningError(f"A centre's certificate lasts 1 to {SERVER_DAYS_MAX} days.")
    key = _new_key()
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:COMMON_NAME_MAX])])
    names = x509.SubjectAlternativeName([_host(host) for host in hosts])
    pem = _sign(
        authority,
        common,
        key.public_key(),
        names,
        ExtendedKeyUsageOID.SERVER_AUTH,
        now_us,
        days,
    )
    return Pair(pem, _key_pem(key))


def new_edge(authority: Authority, site: str, edge: str, now_us: int) -> Pair:
    """Make an edge's certificate together with its key; at an enrolment the edge makes the key."""
    key = _new_key()
    return Pair(_sign_edge(authority, key.public_key(), site, edge, now_us), _key_pem(key))


def sign_request(authority: Authority, csr: str, site: str, edge: str, now_us: int) -> bytes:
    """Sign the key that an edge has made; whatever names its request holds are not asked."""
    if len(csr) > CSR_BYTES_MAX:
        raise SigningError(f"a certificate request has {CSR_BYTES_MAX} bytes at most")
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key = request.public_key()
        whole = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise SigningError("the certificate request can't be read") from error
    if not whole:
        raise SigningError("the certificate request is not signed by its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise SigningError("the key of the certificate request is not one of ECDSA P-256")
    return _sign_edge(authority, key, site, edge, now_us)


def _sign_edge(
    authority: Authority, key: ec.EllipticCurvePublicKey, site: str, edge: str, now_us: int
) -> bytes:
    name = f"{site}/{edge}"
    # The common name is for people and may be cut; who counts stands in the alternative name.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:COMMON_NAME_MAX])])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{EDGE_URI}{name}")])
    use = ExtendedKeyUsageOID.CLIENT_AUTH
    return _sign(authority, subject, key, names, use, now_us, EDGE_DAYS)


def _sign(
    authority: Authority,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    names: x509.SubjectAlternativeName,
    use: x509.ObjectIdentifier,
    now_us: int,
    days: int,
) -> bytes:
    begins, ends = _validity(now_us, days)
    ends = min(ends, authority.certificate.not_valid_after_utc)
    if ends <= instant_at(now_us):
        raise SigningError("the authority itself has expired: make a new one")
    issuer = authority.certificate
    signed = (
        x509.CertificateBuilder(issuer.subject, subject, key, x509.random_serial_number())
        .not_valid_before(max(begins, issuer.not_valid_before_utc))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    return signed.public_bytes(Encoding.PEM)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host.encode("idna").decode("ascii") if host else "")
    except (UnicodeError, ValueError) as error:
        raise SigningError(f"'{host}' is neither a host name nor an address.") from error


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _validity(now_us: int, days: int) -> tuple[datetime, datetime]:
    now = instant_at(now_us).astimezone(UTC).replace(microsecond=0)
    return now - BACKDATED, now - BACKDATED + timedelta(days=days)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
