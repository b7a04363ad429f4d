"""The pure parts of the API: who may ask from where, and how old things are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.credentials import COOKIE, Credential, credential_of, origin_may
from api.freshness import Freshness, freshness_of, worst_freshness
from api.gate import is_near, is_open
from api.settings import ApiSettings
from telemetry.clock import ScenarioClock, SharedClock, write_clock_file

OWN = frozenset({"http://127.0.0.1:8380"})
S = 1_000_000


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([(b"authorization", b"Bearer abc")], Credential("abc", by_cookie=False)),
        ([(b"authorization", b"bearer  abc ")], Credential("abc", by_cookie=False)),
        ([(b"authorization", b"Basic abc")], None),
        ([(b"cookie", f"a=1; {COOKIE}=xyz".encode())], Credential("xyz", by_cookie=True)),
        ([(b"cookie", f"{COOKIE}=".encode())], None),
        ([(b"cookie", b"\xff\xfe=;;;=")], None),
        (
            [(b"cookie", f"{COOKIE}=xyz".encode()), (b"authorization", b"Bearer abc")],
            Credential("abc", by_cookie=False),
        ),
    ],
)
def test_the_header_counts_before_the_cookie(
    headers: list[tuple[bytes, bytes]], found: Credential | None
) -> None:
    assert credential_of(headers) == found


@given(st.lists(st.tuples(st.sampled_from([b"cookie", b"authorization"]), st.binary())))
def test_no_header_breaks_it(headers: list[tuple[bytes, bytes]]) -> None:
    credential_of(headers)


def test_a_cookie_changes_nothing_for_a_page_that_is_not_ours() -> None:
    for by_cookie in (True, False):
        for changes in (True, False):
            assert origin_may(
                "http://127.0.0.1:8380", OWN, by_cookie=by_cookie, changes_something=changes
            )
            assert not origin_may(
                "https://elsewhere.example", OWN, by_cookie=by_cookie, changes_something=changes
            )
            assert not origin_may("null", OWN, by_cookie=by_cookie, changes_something=changes)
    assert not origin_may(None, OWN, by_cookie=True, changes_something=True)
    assert origin_may(None, OWN, by_cookie=False, changes_something=True)


def test_own_addresses_name_the_port_and_what_is_configured() -> None:
    settings = ApiSettings(dsn="", host="10.0.0.5", port=81, origins=("https://mine.example",))
    assert "http://10.0.0.5:81" in settings.own_origins
    assert "http://localhost:81" in settings.own_origins
    assert "https://mine.example" in settings.own_origins
    assert "http://localhost" not in settings.own_origins


def test_own_addresses_are_written_as_browsers_write_them() -> None:
    origins = ("https://Mine.example/", "https://dam.example:443", "https://pit.example:8443")
    own = ApiSettings(dsn="", host="Centre.local", port=80, origins=origins).own_origins
    assert {"https://mine.example", "https://dam.example", "https://pit.example:8443"} <= own
    assert {"http://127.0.0.1", "http://[::1]", "http://centre.local"} <= own


@pytest.mark.parametrize(
    ("method", "path", "opened"),
    [
        ("GET", "/", True),
        ("GET", "/structures/north-dam", True),
        ("POST", "/", False),
        ("GET", "/healthz", True),
        ("GET", "/metrics", False),
        ("GET", "/api", False),
        ("GET", "/api/v1/sites", False),
        ("GET", "/api/v1/session", False),
        ("POST", "/api/v1/session", True),
        ("POST", "/api/v1/session/", False),
        ("OPTIONS", "/api/v1/sites", False),
    ],
)
def test_what_strangers_may_ask_for(method: str, path: str, opened: bool) -> None:
    assert is_open(method, path) is opened


@pytest.mark.parametrize(
    ("client", "near"),
    [(("127.0.0.1", 1), True), (("::1", 1), True), (("10.0.0.9", 1), False), (None, False)],
)
def test_who_asks_from_this_machine(client: tuple[str, int] | None, near: bool) -> None:
    assert is_near(client) is near


@pytest.mark.parametrize(
    ("age_s", "silent", "calculated", "rate", "found"),
    [
        (30, False, False, 1.0, Freshness.FRESH),
        (31, False, False, 1.0, Freshness.STALE),
        (1, True, False, 1.0, Freshness.STALE),
        (50, False, True, 1.0, Freshness.FRESH),
        (51, False, True, 1.0, Freshness.STALE),
        # At 60 seconds in one, five real seconds are five minutes here.
        (300, False, False, 60.0, Freshness.FRESH),
        (301, False, False, 60.0, Freshness.STALE),
        (-5, False, False, 1.0, Freshness.FRESH),
    ],
)
def test_three_periods_make_a_reading_stale(
    age_s: int, silent: bool, calculated: bool, rate: float, found: Freshness
) -> None:
    now_us = 1_000_000 * S
    assert (
        freshness_of(
            now_us - age_s * S,
            silent=silent,
            period_us=10 * S,
            calculated=calculated,
            now_us=now_us,
            rate=rate,
        )
        is found
    )


def test_a_structure_is_as_fresh_as_its_worst_part() -> None:
    fresh, stale, unknown = Freshness.FRESH, Freshness.STALE, Freshness.UNKNOWN
    assert worst_freshness([]) is unknown
    assert worst_freshness([unknown, unknown]) is unknown
    assert worst_freshness([fresh, fresh]) is fresh
    assert worst_freshness([fresh, stale]) is stale
    assert worst_freshness([fresh, unknown]) is stale


def test_a_shared_clock_is_the_machines_until_somebody_sets_it_going(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.clock.LOOKS_APART_US", 0)
    shared = SharedClock(tmp_path / "clock.json")
    assert not shared.began
    assert shared.rate == 1.0
    assert shared.now_us() > 1_700_000_000 * S

    write_clock_file(tmp_path / "clock.json", ScenarioClock(0, 0, 60.0))
    assert shared.began
    assert shared.rate == 60.0
    write_clock_file(tmp_path / "clock.json", ScenarioClock(0, 0, 5.0))
    assert shared.rate == 60.0  # Once set going it never changes.
