"""Certificates for tests, made by our own helper: real keys, real files."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ingest.authority import Authority, Pair, new_authority, new_edge, new_server, read_authority
from telemetry.clock import MachineClock, instant_at
from telemetry.tls import Credentials

DAY_US = 86_400 * 1_000_000


def now_us() -> int:
    """TLS goes by the machine's clock, so tests with real lines do too."""
    return MachineClock().now_us()


@dataclass(frozen=True)
class Ca:
    """An authority in a folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "authority.crt"

    def server(
        self, *hosts: str, name: str = "centre", at_us: int | None = None, days: int = 825
    ) -> Credentials:
        at_us = now_us() if at_us is None else at_us
        authority = self._authority()
        pair = new_server(authority, list(hosts or ("127.0.0.1",)), at_us, days=days)
        return written(pair, self.folder, name)

    def edge(
        self, site: str = "mine", edge: str = "dam-edge", at_us: int | None = None
    ) -> Credentials:
        at_us = now_us() if at_us is None else at_us
        return written(new_edge(self._authority(), site, edge, at_us), self.folder, edge)

    def _authority(self) -> Authority:
        key = self.folder / "authority.key"
        return read_authority(self.certificate.read_bytes(), key.read_bytes())


def authority(folder: Path, name: str = "Test mine", at_us: int | None = None) -> Ca:
    """Make an authority; five years old if nothing else is said, so that others may be expired."""
    at_us = now_us() - 5 * 365 * DAY_US if at_us is None else at_us
    written(new_authority(name, at_us), folder, "authority")
    return Ca(folder)


def written(pair: Pair, folder: Path, name: str) -> Credentials:
    """Put a pair into files; those of the same name are replaced, as an operator would."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Credentials(folder / f"{name}.crt", folder / f"{name}.key")
    for path, content in ((files.certificate, pair.certificate), (files.key, pair.key)):
        draft = path.with_suffix(".draft")
        draft.write_bytes(content)
        draft.chmod(0o600)
        draft.replace(path)
    return files


def client_certificate(ca: Ca, common_name: str) -> Credentials:
    """A certificate as a foreign authority makes it for people: it names no edge."""
    signer = ca._authority()
    key = ec.generate_private_key(ec.SECP256R1())
    begins = instant_at(now_us() - DAY_US)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=30))
        .sign(signer.key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return written(Pair(signed.public_bytes(Encoding.PEM), pem), ca.folder, common_name)
