"""Edges over an encrypted broker: the certificate must fit, and nobody comes in without one."""

import asyncio
import gc
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from broker import KINDS, Encryption, running_broker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import carriers.broker
from carriers.broker import BrokerError, BrokerLine, broker_line
from carriers.broker_settings import BrokerUrl
from telemetry.clock import MachineClock, instant_at

TOPIC = "groundwatch/v1/mine/dam-edge/up/" + "0" * 32


class Authority:
    """One that lives as long as a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
        folder.mkdir()
        certificate = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.ca_file = self._write("ca.pem", certificate.sign(self._key, hashes.SHA256()))

    def certificate(self, name: str) -> tuple[Path, Path]:
        """Certify a new key for a name and this machine; return both files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = self._builder(subject, key).add_extension(names, critical=False)
        certificate = self._write(f"{name}.pem", builder.sign(self._key, hashes.SHA256()))
        key_file = self._folder / f"{name}.key"
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key_file

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = instant_at(MachineClock().now_us())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self._folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


def settings(folder: Path, **files: Path) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.toml"
    path.write_text("".join(f'{key} = "{file}"\n' for key, file in files.items()))
    return path


async def says_and_hears(url: BrokerUrl, settings_file: Path) -> bool:
    async with broker_line(url, settings_file, ["groundwatch/#"]) as line:
        await line.publish(TOPIC, b"here")
        return await heard(line) == (TOPIC, b"here")


async def heard(line: BrokerLine) -> tuple[str, bytes]:
    async with asyncio.timeout(10):
        return await line.receive()


# paho does not close a socket whose handshake has failed; the collector does.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("kind", KINDS)
async def test_both_sides_show_certificates(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carriers.broker, "TIMEOUT_S", 2.0)  # Who is refused waits for that long.
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    certificate, key = ours.certificate("broker")
    mine, my_key = ours.certificate("edge")
    strange, strange_key = others.certificate("edge")
    encryption = Encryption(ours.ca_file, certificate, key, clients_too=True)
    with running_broker(kind, tmp_path / "broker", encryption=encryption) as broker:
        url = BrokerUrl("127.0.0.1", broker.port, encrypted=True)
        shown = {"certificate_file": mine, "key_file": my_key}
        assert await says_and_hears(url, settings(tmp_path, ca_file=ours.ca_file, **shown))
        with pytest.raises(BrokerError, match="certificate verify failed"):
            await says_and_hears(url, settings(tmp_path, ca_file=others.ca_file, **shown))
        wrong = {"certificate_file": strange, "key_file": strange_key}
        for refused in ({}, wrong):
            with pytest.raises(BrokerError):
                await says_and_hears(url, settings(tmp_path, ca_file=ours.ca_file, **refused))
    gc.collect()
