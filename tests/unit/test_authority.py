"""The authority of one's own: what it signs, what it refuses, and the care for its files."""

import stat
from pathlib import Path

import own_authority
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from own_authority import DAY_US
from typer.testing import CliRunner

from groundwatch import app
from ingest.authority import (
    SigningError,
    new_authority,
    new_edge,
    new_server,
    read_authority,
    sign_request,
)
from telemetry.certificates import CertificateError, read_der, read_pem

NOW_US = 1_800_000_000_000_000
PAIR = new_authority("North mine", NOW_US)
AUTHORITY = read_authority(PAIR.certificate, PAIR.key)


def run(*words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, list(words))
    return answer.exit_code, answer.output


def request(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "hill/hill-box"
) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_certificate_says_what_was_asked_for() -> None:
    (authority,) = read_pem(PAIR.certificate)
    assert authority.is_authority
    assert authority.subject == authority.issuer == "CN=North mine"
    assert (authority.ends_us - NOW_US) // DAY_US == 3652

    pair = new_server(AUTHORITY, ["centre.mine.example", "10.0.0.5", "::1"], NOW_US, days=825)
    (server,) = read_pem(pair.certificate)
    assert server.hosts == ("centre.mine.example", "10.0.0.5", "::1")
    assert server.ends_us - server.begins_us == 825 * DAY_US
    assert not server.is_authority
    assert server.edge is None

    (edge,) = read_pem(new_edge(AUTHORITY, "mine", "dam-box", NOW_US).certificate)
    assert edge.edge == ("mine", "dam-box")
    assert edge.issuer == authority.subject
    assert not edge.is_over(NOW_US + 728 * DAY_US)
    assert edge.is_over(NOW_US + 730 * DAY_US)


def test_nothing_outlives_its_authority() -> None:
    late_us = NOW_US + 3650 * DAY_US
    (server,) = read_pem(new_server(AUTHORITY, ["a.example"], late_us, days=825).certificate)
    assert server.ends_us == read_pem(PAIR.certificate)[0].ends_us
    with pytest.raises(SigningError, match="authority itself has expired"):
        new_edge(AUTHORITY, "mine", "dam-box", NOW_US + 3653 * DAY_US)


def test_a_request_gets_the_name_that_the_centre_decides() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = sign_request(AUTHORITY, request(key), "mine", "dam-box", NOW_US)
    assert read_pem(pem)[0].edge == ("mine", "dam-box")
    assert x509.load_pem_x509_certificate(pem).public_key() == key.public_key()


def test_a_name_of_full_length_is_kept_whole() -> None:
    site, edge = "s" * 63, "e" * 63
    (found,) = read_pem(new_edge(AUTHORITY, site, edge, NOW_US).certificate)
    assert found.edge == (site, edge)


@pytest.mark.parametrize(
    "csr",
    [
        "",
        "hello",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        request(rsa.generate_private_key(65537, 2048)),
        request(ec.generate_private_key(ec.SECP384R1())),
        request(ec.generate_private_key(ec.SECP256R1())) + " " * 9000,
    ],
    ids=["empty", "text", "malformed", "rsa", "p384", "long"],
)
def test_other_requests_are_refused(csr: str) -> None:
    with pytest.raises(SigningError):
        sign_request(AUTHORITY, csr, "mine", "dam-box", NOW_US)


def test_a_request_must_be_signed_by_its_own_key() -> None:
    """Whoever copies the public key of another edge can't have it certified."""
    honest = x509.load_pem_x509_csr(
        request(ec.generate_private_key(ec.SECP256R1())).encode()
    ).public_bytes(Encoding.DER)
    forged = bytearray(honest)
    forged[-1] ^= 1
    try:
        pem = x509.load_der_x509_csr(bytes(forged)).public_bytes(Encoding.PEM).decode()
    except ValueError:
        pytest.skip("the changed signature is no signature at all")
    with pytest.raises(SigningError, match="not signed by its own key"):
        sign_request(AUTHORITY, pem, "mine", "dam-box", NOW_US)


def test_hosts_and_days_are_checked() -> None:
    for hosts, days in (([], 825), (["a.example"], 826), (["a.example"], 0), (["a b..c"], 10)):
        with pytest.raises(SigningError):
            new_server(AUTHORITY, hosts, NOW_US, days=days)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_certificate_are_said_to_be_none(content: bytes) -> None:
    for read in (read_der, read_pem):
        with pytest.raises(CertificateError):
            read(content)


EDGE = new_edge(AUTHORITY, "mine", "dam-box", NOW_US).certificate
DER = x509.load_pem_x509_certificate(EDGE).public_bytes(Encoding.DER)
CHANGES = st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), max_size=3)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=500)
@given(CHANGES)
def test_a_damaged_certificate_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(DER)
    for place, byte in changes:
        damaged[place] = byte
    try:
        read_der(bytes(damaged))
    except CertificateError as error:
        assert str(error)  # noqa: PT017 - either is right, a crash is not


def test_the_command_line_makes_what_a_mine_needs(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    code, said = run("ca", "new", str(folder), "--name", "North mine")
    assert code == 0, said
    assert stat.S_IMODE((folder / "authority.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (
        run("ca", "server", str(folder), "--host", "centre.example", "--host", "10.0.0.5")[0] == 0
    )
    assert stat.S_IMODE((folder / "centre.key").stat().st_mode) == 0o600
    assert run("ca", "edge", str(folder), "mine/dam-box", "--out", str(tmp_path / "box"))[0] == 0
    code, said = run("ca", "show", str(folder / "centre.crt"))
    assert code == 0
    assert "centre.example, 10.0.0.5" in said
    assert "mine/dam-box" in run("ca", "show", str(tmp_path / "box" / "mine-dam-box.crt"))[1]


def test_existing_files_are_never_overwritten(tmp_path: Path) -> None:
    ca = own_authority.authority(tmp_path / "ca")
    before = {path: path.read_bytes() for path in ca.folder.iterdir()}
    code, said = run("ca", "new", str(ca.folder), "--name", "Again")
    assert code == 2
    assert "exists already" in said
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "centre.crt").write_text("mine", encoding="utf-8")
    code, said = run(
        "ca", "server", str(ca.folder), "--host", "a.example", "--out", str(tmp_path / "out")
    )
    assert code == 2
    assert not (tmp_path / "out" / "centre.key").exists()
    assert {path: path.read_bytes() for path in ca.folder.iterdir()} == before


def test_wrong_permissions_and_missing_files_are_told(tmp_path: Path) -> None:
    ca = own_authority.authority(tmp_path / "ca")
    key = ca.folder / "authority.key"
    key.chmod(0o640)
    code, said = run("ca", "server", str(ca.folder), "--host", "a.example")
    assert code == 2
    assert "0640" in said
    assert "chmod 600" in said
    key.unlink()
    code, said = run("ca", "server", str(ca.folder), "--host", "a.example")
    assert code == 2
    assert "groundwatch ca new" in said
    assert run("ca", "edge", str(ca.folder), "no-slash")[0] == 2
    assert run("ca", "show", str(tmp_path / "none.crt"))[0] == 2
