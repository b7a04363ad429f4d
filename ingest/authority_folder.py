"""The folder of an authority of one's own, and the files that it makes: `groundwatch ca`.

What exists is never overwritten. Keys can be read by their owner alone, and one that others
could have read is not used.
"""

import stat
from pathlib import Path

from ingest.authority import (
    Authority,
    Pair,
    SigningError,
    new_authority,
    new_edge,
    new_server,
    read_authority,
)
from telemetry.certificates import Certificate, edge_named
from telemetry.clock import instant_at
from telemetry.new_files import EVERYBODY, OWNER_ONLY, NewFileError, write_new
from telemetry.tls import TlsFilesError, read_certificates

CERTIFICATE = "authority.crt"
KEY = "authority.key"
NOT_FOR_OTHERS = 0o077


class AuthorityError(Exception):
    """What was asked of an authority can't be done; the message says why, and the remedy."""


def make_authority(folder: Path, name: str, now_us: int) -> list[Path]:
    """Make an authority in a folder; return the files that were written."""
    try:
        pair = new_authority(name, now_us)
    except SigningError as error:
        raise AuthorityError(str(error)) from error
    return write_pair(pair, folder / CERTIFICATE, folder / KEY)


def make_server(
    folder: Path, hosts: list[str], name: str, out: Path, now_us: int, *, days: int
) -> list[Path]:
    """Make a centre's certificate; return the files that were written."""
    authority = open_authority(folder)
    try:
        pair = new_server(authority, hosts, now_us, days=days)
    except SigningError as error:
        raise AuthorityError(str(error)) from error
    return write_pair(pair, out / f"{name}.crt", out / f"{name}.key")


def make_edge(folder: Path, edge: str, out: Path, now_us: int) -> list[Path]:
    """Make an edge's certificate by hand; return the files that were written."""
    named = edge_named(edge)
    if named is None:
        raise AuthorityError(f"An edge is written SITE/EDGE, like mine/dam-box; not '{edge}'.")
    authority = open_authority(folder)
    try:
        pair = new_edge(authority, *named, now_us)
    except SigningError as error:
        raise AuthorityError(str(error)) from error
    stem = "-".join(named)
    return write_pair(pair, out / f"{stem}.crt", out / f"{stem}.key")


def open_authority(folder: Path) -> Authority:
    """Open an authority to sign with it."""
    certificate, key = folder / CERTIFICATE, folder / KEY
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & NOT_FOR_OTHERS:
            raise AuthorityError(
                f"The authority's key {key} has the mode {mode:04o}: others may have read it. "
                f"Remedy: `chmod 600 {key}`, and if strangers were on this machine make a new "
                "authority."
            )
        return read_authority(certificate.read_bytes(), key.read_bytes())
    except FileNotFoundError as error:
        raise AuthorityError(
            f"{folder} holds no authority: there is no {error.filename}. "
            f"Make one with `groundwatch ca new {folder} --name …`."
        ) from error
    except OSError as error:
        raise AuthorityError(f"{error.filename} can't be read: {error.strerror}.") from error
    except SigningError as error:
        raise AuthorityError(f"The authority in {folder} can't be used: {error}.") from error


def can_sign(folder: Path) -> bool:
    """Tell whether a folder holds an authority's key; without, it only says whom to trust."""
    return (folder / KEY).exists()


def describe(path: Path) -> str:
    """Say in lines what the certificates of a file are."""
    try:
        found = read_certificates(path)
    except TlsFilesError as error:
        raise AuthorityError(str(error)) from error
    return "\n".join(_described(one) for one in found)


def write_pair(pair: Pair, certificate: Path, key: Path) -> list[Path]:
    """Write a certificate and its key into new files; neither exists if one can't be written."""
    try:
        write_new({key: (pair.key, OWNER_ONLY), certificate: (pair.certificate, EVERYBODY)})
    except NewFileError as error:
        raise AuthorityError(str(error)) from error
    return [certificate, key]


def _described(one: Certificate) -> str:
    lines = [
        f"{one.subject}, signed by {one.issuer}",
        f"  serial      {one.serial}",
        f"  fingerprint {one.sha256}",
        f"  valid       {instant_at(one.begins_us):%Y-%m-%d} to {instant_at(one.ends_us):%Y-%m-%d}",
    ]
    if one.hosts:
        lines.append(f"  for         {', '.join(one.hosts)}")
    if one.edge:
        lines.append(f"  for edge    {'/'.join(one.edge)}")
    if one.is_authority:
        lines.append("  an authority")
    return "\n".join(lines)
