"""Which callers and addressees are this machine itself."""

import pytest

from telemetry.loopback import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "localhost"])
def test_this_machine_is_known_under_each_of_its_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.9", "0.0.0.0", "::", "::ffff:10.0.0.9", "fe80::1", "localhost.example", ""]
)
def test_everything_else_is_elsewhere(host: str) -> None:
    assert not is_loopback(host)
