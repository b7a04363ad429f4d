"""The folder of an enrolled edge: what stays as it was, and what is never half-written."""

import resource
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.enrolled_folder import EnrolledFolder, _toml_lines
from telemetry.enrolment import Enrolled
from telemetry.new_files import NewFileError

GIVEN = Enrolled("mine", "dam-box", "gw_1_secret", "CERT", "CA", "site: mine\n")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # No surrogates in TOML.
NAMES = TEXTS.filter(bool)
VALUES = TEXTS | st.integers(-(2**53), 2**53) | st.booleans()


def filled(path: Path, enrolled: Enrolled = GIVEN, *, again: bool = False) -> EnrolledFolder:
    folder = EnrolledFolder(path, site=None, spool=None)
    folder.prepare(b"KEY", again=again)
    folder.fill(enrolled, centre="wss://a.example:8381", authority="CA", again=again)
    folder.tidy()
    return folder


def settings_in(folder: EnrolledFolder) -> dict[str, object]:
    return tomllib.loads(folder.settings.read_text(encoding="utf-8"))


@given(st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES | st.lists(VALUES))))
def test_settings_are_written_as_they_were_read(inner: dict[str, object]) -> None:
    settings = {"edge": "dam-box", "mqtt": inner}
    assert tomllib.loads("\n".join(_toml_lines(settings))) == settings


def test_what_an_operator_has_set_stays(tmp_path: Path) -> None:
    folder = filled(tmp_path / "box")
    more = 'drain_s = 2.5\n\n[mqtt.bus-1]\npassword_file = "p"\n'
    text = folder.settings.read_text(encoding="utf-8").replace("spool.db", "elsewhere.db")
    folder.settings.write_text(text + more, encoding="utf-8")
    before = settings_in(folder)
    (tmp_path / "box" / "site.yaml").write_text("changed", encoding="utf-8")

    filled(tmp_path / "box", again=True)

    assert settings_in(folder) == before
    assert (tmp_path / "box" / "site.yaml").read_text(encoding="utf-8") == "changed"


def test_a_certificate_that_is_not_renewed_is_shown_no_more(tmp_path: Path) -> None:
    """The older one was revoked when the edge was enrolled again."""
    filled(tmp_path / "box")
    folder = filled(tmp_path / "box", Enrolled("mine", "dam-box", "gw_2_secret"), again=True)
    assert "certificate" not in settings_in(folder)
    assert "authority" in settings_in(folder)


@pytest.mark.parametrize("name", ["edge.token", "edge.toml", "edge.key"])
def test_nothing_is_overwritten_and_no_code_is_used_for_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    folder = EnrolledFolder(tmp_path, site=None, spool=None)
    with pytest.raises(NewFileError, match="--again"):
        folder.prepare(b"KEY", again=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_again_needs_an_enrolled_edge(tmp_path: Path) -> None:
    folder = EnrolledFolder(tmp_path / "none", site=None, spool=None)
    with pytest.raises(NewFileError, match="leave --again out"):
        folder.prepare(b"KEY", again=True)


def test_a_path_that_cannot_be_written_is_noticed_before_the_code_is_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    folder = EnrolledFolder(tmp_path / "file" / "box", site=None, spool=None)
    with pytest.raises(NewFileError, match="can't be written"):
        folder.prepare(b"KEY", again=False)


def test_without_a_site_file_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(NewFileError, match="--site"):
        filled(tmp_path / "box", Enrolled("mine", "dam-box", "gw_1_secret"))


@contextmanager
def room_for(bytes_most: int) -> Iterator[None]:
    """Let no file become longer, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_of_a_file_that_would_be_in_the_way(tmp_path: Path) -> None:
    folder = EnrolledFolder(tmp_path / "box", site=None, spool=None)
    folder.prepare(b"KEY", again=False)
    with room_for(len("gw_1")), pytest.raises(NewFileError, match="can't be written"):
        folder.fill(GIVEN, centre="wss://a.example:8381", authority="CA", again=False)
    folder.tidy()

    assert list(tmp_path.iterdir()) == []
    filled(tmp_path / "box")


@pytest.mark.parametrize("again", [False, True])
def test_a_path_that_cannot_even_be_looked_at_is_told(tmp_path: Path, again: bool) -> None:
    folder = EnrolledFolder(tmp_path / ("x" * 300), site=None, spool=None)
    with pytest.raises(NewFileError, match="x"):
        folder.prepare(b"KEY", again=again)


def test_what_cannot_be_replaced_is_told(tmp_path: Path) -> None:
    filled(tmp_path / "box")
    (tmp_path / "box" / "edge.crt").unlink()
    (tmp_path / "box" / "edge.crt").mkdir()
    with pytest.raises(NewFileError, match=r"edge\.crt can't be replaced"):
        filled(tmp_path / "box", again=True)
