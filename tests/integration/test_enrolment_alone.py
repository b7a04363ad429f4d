"""What an installer is told before any centre has answered."""

from pathlib import Path

import own_authority
import pytest

from edge_agent.enrolment import Enrolment, NotEnrolledError, enrol
from telemetry.enrolment import Code, read_code


def test_a_code_is_read_as_it_was_written() -> None:
    code = Code("0123456789abcdef", "s" * 27, "ab" * 32)
    assert read_code(f"\n {code}  ") == code
    with pytest.raises(NotEnrolledError, match="edge-code"):
        enrol(Enrolment("wss://a.example", "gwe.x", Path("none")))


@pytest.fixture
def ca(tmp_path: Path) -> own_authority.Ca:
    return own_authority.authority(tmp_path / "ca")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "authority.pem can't be read"),
        (b"\x30\x82\x01\xff", "authority.pem can't be used"),
        ("# 矿山的证书\n".encode(), "can't be reached"),  # A remark does no harm.
    ],
)
def test_what_is_wrong_with_a_given_authority_is_told(
    ca: own_authority.Ca, tmp_path: Path, content: bytes | None, said: str
) -> None:
    given = tmp_path / "authority.pem"
    if content is not None:
        given.write_bytes(content + ca.certificate.read_bytes() * content.startswith(b"#"))
    code = str(Code("1" * 16, "s" * 27, None))
    with pytest.raises(NotEnrolledError, match=said):
        enrol(Enrolment("wss://127.0.0.1:1", code, tmp_path / "box", authority=given))
