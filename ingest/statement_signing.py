"""Signing what a centre states, and checking it: Ed25519 (RFC 8032), with a key for this alone.

A signed file is the statement, and two lines behind it: the public key and the signature, in
base64. Whoever checks compares the key's fingerprint (SHA-256 of its 32 bytes) with the one that
the centre's people gave out; a signature by itself only says that nothing was changed since.
"""

import base64
import binascii
import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from telemetry.new_files import OWNER_ONLY, NewFileError, is_there, write_new

PURPOSE = b"groundwatch daily statement\0"  # The key's signatures mean nothing else.
KEY_LINE, SIGNATURE_LINE = "ed25519-key: ", "ed25519-signature: "
NOT_FOR_OTHERS = 0o077


class StatementError(Exception):
    """A statement can't be signed, or is not what was signed; the message says why."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement whose signature fits."""

    text: str
    fingerprint: str  # Of the key that signed.


def sign(text: str, key: Ed25519PrivateKey) -> str:
    """Put key and signature under a statement, which ends with a line feed."""
    assert text.endswith("\n")
    public = key.public_key().public_bytes_raw()
    signature = key.sign(PURPOSE + text.encode())
    return f"{text}{KEY_LINE}{_packed(public)}\n{SIGNATURE_LINE}{_packed(signature)}\n"


def verify(signed: str) -> Verified:
    """Check a signed statement as it stands in a file."""
    lines = signed.splitlines(keepends=True)
    if len(lines) < 3 or not (
        lines[-2].startswith(KEY_LINE) and lines[-1].startswith(SIGNATURE_LINE)
    ):
        raise StatementError("It is no signed statement: key and signature do not end it.")
    text = "".join(lines[:-2])
    try:
        public = base64.b64decode(lines[-2].removeprefix(KEY_LINE).strip(), validate=True)
        packed = lines[-1].removeprefix(SIGNATURE_LINE).strip()
        signature = base64.b64decode(packed, validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, PURPOSE + text.encode())
    except (binascii.Error, ValueError) as error:
        raise StatementError("Its key or signature is damaged.") from error
    except InvalidSignature as error:
        raise StatementError(
            "The signature does not fit: the statement was changed after it was signed."
        ) from error
    return Verified(text, fingerprint_of(public))


def fingerprint_of(public: bytes) -> str:
    """Name a public key (32 bytes) so that people can compare it."""
    return hashlib.sha256(public).hexdigest()


def key_in(path: Path) -> tuple[Ed25519PrivateKey, bool]:
    """Read the key of a file, which is made where there is none; tell whether it is new."""
    if not is_there(path):
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            write_new({path: (pem, OWNER_ONLY)})
        except NewFileError as error:
            raise StatementError(str(error)) from error
        return made, True
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_bytes()
    except OSError as error:
        raise StatementError(f"The key {path} can't be read: {error.strerror}.") from error
    if mode & NOT_FOR_OTHERS:
        raise StatementError(
            f"The key {path} has the mode {mode:04o}: others may have read it. "
            f"Remedy: `chmod 600 {path}`, or move it away and let a new one be made."
        )
    try:
        found = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StatementError(f"{path} holds no key without a passphrase.") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise StatementError(f"{path} holds no Ed25519 key: give another --key.")
    return found, False


def _packed(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
