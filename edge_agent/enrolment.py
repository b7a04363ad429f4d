"""`groundwatch enrol`: a one-time code becomes all that an edge needs to run, in one folder.

The private key is made here and never leaves. Nothing is said to a centre that has not proved who
it is: by the fingerprint in the code, by an authority that was given, or by one that the system
trusts.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from edge_agent.enrolled_folder import EnrolledFolder
from edge_agent.settings import can_be_called
from telemetry.enrolment import (
    ANSWER_BYTES_MAX,
    ENROL_PATH,
    PROTOCOL,
    Code,
    Declined,
    Enrolled,
    EnrolmentError,
    Offer,
    Request,
    decode_answer,
    decode_offer,
    encode,
    fingerprint_of,
    read_code,
)
from telemetry.loopback import is_loopback
from telemetry.new_files import NewFileError
from telemetry.tls import SSLContext, TlsFilesError, client_context, context_for_a_fingerprint
from telemetry.tls_errors import Trouble, trouble_of

OPEN_S: Final = 10.0
ANSWER_S: Final = 30.0
LOST_ANSWER: Final = (
    "the line was cut before the answer came: if the code is refused now, print a new one"
)


class NotEnrolledError(Exception):
    """The edge is not enrolled; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, repr=False)
class Enrolment:
    """What is asked for."""

    centre: str  # wss://HOST:PORT
    code: str
    out: Path
    edge: str | None = None  # SITE/EDGE, to be sure that the code is this edge's.
    authority: Path | None = None
    site: Path | None = None  # A site file that is here already.
    spool: Path | None = None
    without_encryption: bool = False
    again: bool = False


def enrol(asked: Enrolment) -> EnrolledFolder:
    """Enrol this machine; return what was written. Raises NotEnrolledError."""
    try:
        code = read_code(asked.code)
    except EnrolmentError as error:
        raise NotEnrolledError(f"The code can't be used: {error}.") from error
    centre = _checked_centre(asked)
    folder = EnrolledFolder(asked.out, site=asked.site, spool=asked.spool)
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        folder.prepare(_key_pem(key), again=asked.again)
        with TemporaryDirectory() as drafts:
            enrolled, authority = asyncio.run(_ask(asked, centre, code, _csr(key), Path(drafts)))
        folder.fill(enrolled, centre=centre, authority=authority, again=asked.again)
    except NewFileError as error:
        raise NotEnrolledError(str(error)) from error
    finally:
        folder.tidy()
    return folder


def _checked_centre(asked: Enrolment) -> str:
    centre = asked.centre.rstrip("/")
    if not can_be_called(centre) or not centre.startswith(("ws:", "wss:")):
        raise NotEnrolledError(f"--centre is written wss://HOST:PORT, not '{asked.centre}'.")
    parts = urlsplit(centre)
    if parts.scheme == "ws" and not (is_loopback(parts.hostname or "") or asked.without_encryption):
        raise NotEnrolledError(
            f"The line to {centre} is not encrypted: everybody on the way could read the token. "
            "Call wss://, or say --without-encryption."
        )
    return centre


async def _ask(
    asked: Enrolment, centre: str, code: Code, csr: str, drafts: Path
) -> tuple[Enrolled, str | None]:
    """Ask the centre; return its answer, and the authority by which it was verified."""
    verified_by: str | None = None
    troubles: list[Trouble] = []
    try:
        context: SSLContext | None = None
        if centre.startswith("wss:"):
            authority = asked.authority
            if authority is None and code.fingerprint is not None:
                authority = drafts / "authority.crt"
                pem = await _fetch_authority(f"{centre}{ENROL_PATH}", code.fingerprint)
                authority.write_text(pem, encoding="ascii")
            context = client_context(authority, on_trouble=troubles.append)
            if authority is not None:  # People write remarks into it, in any language.
                verified_by = authority.read_text(encoding="utf-8", errors="replace")
        request = Request(code.code_id, code.secret, csr, asked.edge)
        return await _converse(f"{centre}{ENROL_PATH}", context, request), verified_by
    except (TlsFilesError, EnrolmentError) as error:
        raise NotEnrolledError(f"{error}") from error
    except InvalidStatus as error:
        raise NotEnrolledError(
            f"The centre answered {error.response.status_code}: it enrols no edges here. Call the "
            "port that edges connect to (8381 unless changed), of a Groundwatch that can enrol."
        ) from error
    except (OSError, WebSocketException, TimeoutError, InvalidURI) as error:
        trouble = troubles[0] if troubles else trouble_of(error)
        said = trouble.sentence if trouble else (str(error) or type(error).__name__)
        raise NotEnrolledError(f"The centre {centre} can't be reached: {said}.") from error


async def _fetch_authority(address: str, fingerprint: str) -> str:
    """Fetch the centre's authority from whoever answers; the fingerprint says whether it is it."""
    async with _line(address, context_for_a_fingerprint()) as line:
        offer = _offered(await line.recv())
    if offer.authority is None:
        raise EnrolmentError("the centre shows no authority, but the code names one")
    try:
        found = x509.load_pem_x509_certificate(offer.authority.encode())
    except ValueError as error:
        raise EnrolmentError("what the centre shows is no certificate") from error
    if fingerprint_of(found.public_bytes(Encoding.DER)) != fingerprint:
        raise EnrolmentError(
            "whoever answers there is not the centre that made the code (its authority has "
            "another fingerprint): nothing was sent. Check the address; if it is right, somebody "
            "stands in between"
        )
    return found.public_bytes(Encoding.PEM).decode()


async def _converse(address: str, context: SSLContext | None, request: Request) -> Enrolled:
    async with _line(address, context) as line:
        offer = _offered(await line.recv())
        if offer.protocol != PROTOCOL:
            raise EnrolmentError(
                f"the centre enrols by protocol {offer.protocol}, this edge by {PROTOCOL}: update "
                "the older of both"
            )
        await line.send(encode(request))
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = decode_answer(await line.recv())
        except (WebSocketException, TimeoutError) as error:
            raise EnrolmentError(LOST_ANSWER) from error
    if isinstance(answer, Declined):
        raise NotEnrolledError(_declined(answer))
    return answer


def _offered(first: str | bytes) -> Offer:
    """Read what the centre says first; it may decline before anything is asked."""
    try:
        return decode_offer(first)
    except EnrolmentError:
        answer = decode_answer(first)
        if isinstance(answer, Declined):
            raise NotEnrolledError(_declined(answer)) from None
        raise


def _declined(answer: Declined) -> str:
    return f"The centre does not enrol this edge: {answer.message}."


def _line(address: str, context: SSLContext | None) -> connect:
    return connect(
        address,
        ssl=context,
        proxy=None,
        compression=None,
        open_timeout=OPEN_S,
        max_size=ANSWER_BYTES_MAX,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _csr(key: ec.EllipticCurvePrivateKey) -> str:
    """Prove that we hold the key; which name its certificate gets, the centre decides."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
