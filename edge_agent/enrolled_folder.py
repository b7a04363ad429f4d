"""The folder of an enrolled edge: credentials, site file and settings, ready to run.

The key is written before the code is used, so that a full disk or a wrong path is noticed while
nothing is lost.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from telemetry.enrolment import Enrolled
from telemetry.new_files import (
    OWNER_ONLY,
    NewFileError,
    is_there,
    refuse_existing,
    replace,
    write_new,
)

TOKEN, KEY, CERTIFICATE = "edge.token", "edge.key", "edge.crt"
AUTHORITY, SITE, SETTINGS, SPOOL = "authority.crt", "site.yaml", "edge.toml", "spool.db"
NEW_KEY = "edge.key.new"


class EnrolledFolder:
    """Where an enrolment puts what it gets."""

    def __init__(self, path: Path, *, site: Path | None, spool: Path | None) -> None:
        self.path = path.absolute()
        self._site = site
        self._spool = spool

    @property
    def settings(self) -> Path:
        """The file that `groundwatch edge --config` takes."""
        return self.path / SETTINGS

    def prepare(self, key: bytes, *, again: bool) -> None:
        """See whether the folder can be filled, and put the new key there."""
        ours = [self.path / name for name in (TOKEN, KEY, CERTIFICATE, AUTHORITY, SITE, SETTINGS)]
        if not again:
            try:
                refuse_existing(ours)
            except NewFileError as error:
                raise NewFileError(
                    f"{error} Or say --again: credentials are then replaced, settings and spool "
                    "stay."
                ) from error
        elif not is_there(self.settings):
            raise NewFileError(f"{self.path} holds no enrolled edge: leave --again out.")
        self.tidy()
        write_new({self.path / NEW_KEY: (key, OWNER_ONLY)})

    def fill(self, enrolled: Enrolled, *, centre: str, authority: str | None, again: bool) -> None:
        """Write what the centre gave; an agent that runs takes it with its next connection."""
        key = (self.path / NEW_KEY).read_bytes()
        files = {TOKEN: f"{enrolled.token}\n".encode()}
        if enrolled.certificate is not None:
            files |= {KEY: key, CERTIFICATE: enrolled.certificate.encode()}
        if authority is not None:
            files[AUTHORITY] = authority.encode()
        before = self._settings_before() if again else {}
        if not before and self._site is None:
            files[SITE] = _site_file(enrolled).encode()
        files[SETTINGS] = self._toml(enrolled, centre, before, set(files)).encode()
        written = {self.path / name: (content, OWNER_ONLY) for name, content in files.items()}
        try:
            (replace if again else write_new)(written)
        except NewFileError as error:
            raise NewFileError(
                f"{error} The code has been used up: mend this, and print a new one."
            ) from error

    def tidy(self) -> None:
        """Take away what was only needed on the way."""
        with suppress(OSError):  # Where there can't be one, there is none.
            (self.path / NEW_KEY).unlink()
        with suppress(OSError):  # What was not filled is not left behind; a folder in use is.
            self.path.rmdir()

    def _settings_before(self) -> dict[str, object]:
        try:
            return tomllib.loads(self.settings.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise NewFileError(
                f"{self.settings} can't be read ({error}): mend it, and use a new code."
            ) from error

    def _toml(
        self, enrolled: Enrolled, centre: str, before: dict[str, object], files: set[str]
    ) -> str:
        """Write the settings; what was set before otherwise than by an enrolment stays."""
        settings = {
            "site": str((self._site or self.path / SITE).absolute()),
            "spool": str((self._spool or self.path / SPOOL).absolute()),
            **before,
            "edge": enrolled.edge,
            "centre": centre,
            "token_file": str(self.path / TOKEN),
        }
        given = {"authority": AUTHORITY, "certificate": CERTIFICATE, "key": KEY}
        for name, file in given.items():
            settings.pop(name, None)
            if file in files:
                settings[name] = str(self.path / file)
        head = f"# Edge {enrolled.site}/{enrolled.edge}, written by `groundwatch enrol`."
        return "\n".join([head, *_toml_lines(settings), ""])


def _toml_lines(settings: Mapping[str, object], table: str = "") -> list[str]:
    """Write settings as TOML, which reads them as they were."""
    tables = {name: one for name, one in settings.items() if isinstance(one, dict)}
    lines = [
        f"{_key(name)} = {_value(one)}" for name, one in settings.items() if name not in tables
    ]
    for name, inner in tables.items():
        path = f"{table}.{_key(name)}" if table else _key(name)
        lines += ["", f"[{path}]", *_toml_lines(inner, path)]
    return lines


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: object) -> str:
    """Write what JSON and TOML say in the same words, but for the one character DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _site_file(enrolled: Enrolled) -> str:
    if enrolled.site_file is None:
        raise NewFileError(
            "The centre gave no site file: copy it here, name it with --site, and use a new code."
        )
    return enrolled.site_file
