"""Secured lines, without a line: both sides shake hands through memory."""

import ssl
from pathlib import Path

import own_authority
import pytest
from own_authority import DAY_US, now_us

from telemetry.certificates import read_der
from telemetry.tls import (
    Credentials,
    ServerIdentity,
    TlsFilesError,
    client_context,
    context_for_a_fingerprint,
    read_certificates,
)
from telemetry.tls_errors import Trouble, trouble_of

HOST = "127.0.0.1"
YEAR_US = 365 * DAY_US


class Handshake:
    """What both sides say of a handshake, and who they then are to each other."""

    def __init__(
        self, server: ssl.SSLContext, client: ssl.SSLContext, host: str | None = HOST
    ) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(to_client, to_server, server_hostname=host)
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        self.client_says: Trouble | None = None
        self.server_says: Trouble | None = None
        for _ in range(4):
            self.client_says = self.client_says or self._step(self.client)
            self.server_says = self.server_says or self._step(self.server)
        if self.client_says is None and self.server_says is not None:
            with pytest.raises(ssl.SSLError) as refused:  # TLS 1.3 tells the client afterwards.
                self.client.read()
            self.client_says = trouble_of(refused.value)

    @property
    def reasons(self) -> tuple[str | None, str | None]:
        both = (self.client_says, self.server_says)
        return tuple(one and one.reason for one in both)  # type: ignore[return-value]

    def _step(self, side: ssl.SSLObject) -> Trouble | None:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as error:
            return trouble_of(error)
        return None


@pytest.fixture
def ca(tmp_path: Path) -> own_authority.Ca:
    return own_authority.authority(tmp_path / "ca")


def test_who_knows_the_authority_gets_a_line(ca: own_authority.Ca) -> None:
    server = ServerIdentity(ca.server(HOST, "centre.mine.example"))
    for host in (HOST, "centre.mine.example"):
        done = Handshake(server.context, client_context(ca.certificate), host)
        assert done.reasons == (None, None)
        assert done.client.version() in {"TLSv1.2", "TLSv1.3"}
        assert done.server.getpeercert(binary_form=True) is None


def test_certificates_satisfy_the_strict_rules_of_newer_pythons(ca: own_authority.Ca) -> None:
    """Python 3.13 asks for the extensions of RFC 5280 by default."""
    client = client_context(ca.certificate, ca.edge())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ServerIdentity(ca.server(), ca.certificate)
    server._current.verify_flags |= ssl.VERIFY_X509_STRICT
    server.context.verify_flags |= ssl.VERIFY_X509_STRICT

    assert Handshake(server.context, client).reasons == (None, None)


def test_an_edge_shows_its_certificate_where_it_is_asked_for(ca: own_authority.Ca) -> None:
    server = ServerIdentity(ca.server(), ca.certificate)
    done = Handshake(server.context, client_context(ca.certificate, ca.edge("mine", "dam-box")))

    assert done.reasons == (None, None)
    shown = done.server.getpeercert(binary_form=True)
    assert shown is not None
    assert read_der(shown).edge == ("mine", "dam-box")


def test_an_edge_without_a_certificate_is_let_through_to_the_token(ca: own_authority.Ca) -> None:
    server = ServerIdentity(ca.server(), ca.certificate)
    assert Handshake(server.context, client_context(ca.certificate)).reasons == (None, None)


def wrong_servers(ca: own_authority.Ca, other: own_authority.Ca) -> dict[str, Credentials]:
    now = now_us()
    return {
        "expired": ca.server(name="old", at_us=now - 400 * DAY_US, days=300),
        "not_yet_valid": ca.server(name="young", at_us=now + 3 * DAY_US),
        "other_host": ca.server("elsewhere.example", name="elsewhere"),
        "unknown_authority": other.server(name="stranger"),
    }


@pytest.mark.parametrize("reason", ["expired", "not_yet_valid", "other_host", "unknown_authority"])
def test_a_wrong_server_is_refused_with_the_remedy(
    ca: own_authority.Ca, tmp_path: Path, reason: str
) -> None:
    other = own_authority.authority(tmp_path / "other", "Somebody else")
    told: list[Trouble] = []
    server = ServerIdentity(wrong_servers(ca, other)[reason], on_trouble=told.append)
    done = Handshake(server.context, client_context(ca.certificate))

    assert done.client_says is not None
    assert done.client_says.reason == reason
    assert ":" in done.client_says.sentence
    assert len(told) == 1
    assert "refuses our certificate" in told[0].sentence


def test_a_wrong_client_is_refused_with_the_remedy(ca: own_authority.Ca, tmp_path: Path) -> None:
    other = own_authority.authority(tmp_path / "other", "Somebody else")
    told: list[Trouble] = []
    server = ServerIdentity(ca.server(), ca.certificate, on_trouble=told.append)
    expired = ca.edge(edge="old-box", at_us=now_us() - 3 * YEAR_US)
    for credentials, reasons in (
        (expired, ("ours_expired", "expired")),
        (other.edge(), ("ours_unknown", "unknown_authority")),
    ):
        done = Handshake(server.context, client_context(ca.certificate, credentials))
        assert done.reasons == reasons
    assert [one.reason for one in told] == ["expired", "unknown_authority"]


def test_a_server_certificate_is_no_edges(ca: own_authority.Ca) -> None:
    server = ServerIdentity(ca.server(), ca.certificate)
    done = Handshake(server.context, client_context(ca.certificate, ca.server(name="centre-2")))
    assert done.server_says is not None
    assert done.server_says.reason == "not_good"


def test_old_versions_and_plain_text_are_refused_and_told(ca: own_authority.Ca) -> None:
    told: list[Trouble] = []
    server = ServerIdentity(ca.server(), on_trouble=told.append)
    old = client_context(ca.certificate)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert Handshake(server.context, old).reasons == ("old", "old")

    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    line = server.context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(b"GET /edge/v1/mine HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        line.do_handshake()
    assert [one.reason for one in told] == ["old", "plain"]


def test_a_replaced_certificate_counts_from_the_next_line_on(ca: own_authority.Ca) -> None:
    server = ServerIdentity(ca.server(), ca.certificate)
    client = client_context(ca.certificate, ca.edge())
    first = Handshake(server.context, client).client.getpeercert(binary_form=True)
    assert not server.look()

    ca.server()
    assert server.look()
    second = Handshake(server.context, client)
    assert second.reasons == (None, None)
    shown = second.client.getpeercert(binary_form=True)
    assert shown is not None
    assert shown != first
    assert read_der(shown) == server.certificate
    assert second.server.getpeercert(binary_form=True) is not None
    assert not server.look()


def test_a_replaced_client_authority_counts_too(ca: own_authority.Ca, tmp_path: Path) -> None:
    trusted = tmp_path / "clients.crt"
    trusted.write_bytes(ca.certificate.read_bytes())
    server = ServerIdentity(ca.server(), trusted)
    other = own_authority.authority(tmp_path / "other", "Somebody else")
    theirs = client_context(ca.certificate, other.edge())
    assert Handshake(server.context, theirs).reasons == ("ours_unknown", "unknown_authority")

    trusted.write_bytes(trusted.read_bytes() + other.certificate.read_bytes())
    assert server.look()
    assert Handshake(server.context, theirs).reasons == (None, None)


@pytest.mark.parametrize("broken", ["certificate", "key", "gone"])
def test_a_broken_new_certificate_keeps_the_old_one_and_is_told_once(
    ca: own_authority.Ca, broken: str
) -> None:
    files = ca.server()
    server = ServerIdentity(files)
    if broken == "certificate":
        files.certificate.write_text("-----BEGIN CERTIFICATE-----\nhalf", encoding="utf-8")
    elif broken == "key":  # The certificate has been replaced already, its key not yet.
        files.certificate.write_bytes(ca.server(name="new").certificate.read_bytes())
    else:
        files.key.unlink()

    with pytest.raises(TlsFilesError, match=files.key.stem):
        server.look()
    assert not server.look()
    assert Handshake(server.context, client_context(ca.certificate)).reasons == (None, None)

    ca.server()
    assert server.look()
    assert Handshake(server.context, client_context(ca.certificate)).reasons == (None, None)


def test_a_clock_without_battery_does_not_end_the_line(
    ca: own_authority.Ca, tmp_path: Path
) -> None:
    """The edge's clock cannot be set in this test, so the centre's certificate is from later."""
    server = ServerIdentity(ca.server(at_us=now_us() + 3 * DAY_US))
    authority_began = read_certificates(ca.certificate)[0].begins_us
    wrong_clock = client_context(ca.certificate, now_us=authority_began - 1)
    right_clock = client_context(ca.certificate, now_us=authority_began)
    assert Handshake(server.context, wrong_clock).reasons == (None, None)
    assert Handshake(server.context, right_clock).client_says is not None

    other = own_authority.authority(tmp_path / "other", "Somebody else")
    stranger = ServerIdentity(other.server(name="stranger"))
    assert Handshake(stranger.context, wrong_clock).reasons[0] == "unknown_authority"
    elsewhere = ServerIdentity(ca.server("elsewhere.example", name="elsewhere"))
    assert Handshake(elsewhere.context, wrong_clock).reasons[0] == "other_host"


def test_a_fingerprint_line_shows_whoever_is_there(ca: own_authority.Ca) -> None:
    server = ServerIdentity(ca.server("elsewhere.example"))
    done = Handshake(server.context, context_for_a_fingerprint())
    assert done.reasons == (None, None)


def test_what_is_wrong_with_files_is_told_with_their_names(
    ca: own_authority.Ca, tmp_path: Path
) -> None:
    good, other = ca.server(), ca.server(name="other")
    text = tmp_path / "text.pem"
    text.write_text("hello", encoding="utf-8")
    text.chmod(0o600)
    open_key = tmp_path / "open.key"
    open_key.write_bytes(good.key.read_bytes())
    open_key.chmod(0o644)
    cases = {
        "no such file": Credentials(tmp_path / "none.crt", good.key),
        "no PEM certificate": Credentials(text, good.key),
        "no PEM key": Credentials(good.certificate, text),
        "does not belong": Credentials(good.certificate, other.key),
        "chmod 600": Credentials(good.certificate, open_key),
        "key .*none.key can't be read": Credentials(good.certificate, tmp_path / "none.key"),
    }
    for words, credentials in cases.items():
        with pytest.raises(TlsFilesError, match=f"(?i){words}"):
            ServerIdentity(credentials)
    with pytest.raises(TlsFilesError, match="is no authority's certificate"):
        client_context(good.certificate)
    with pytest.raises(TlsFilesError, match="is no authority's certificate"):
        ServerIdentity(good, good.certificate)
