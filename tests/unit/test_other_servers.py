"""Servers of other majors are found, or it is said where they come from."""

from pathlib import Path

import pytest
from other_servers import STORE_SUITE, NoServerError, programs_of

INTEGRATION = Path(__file__).parents[1] / "integration"


def test_every_file_of_the_stores_suite_is_there() -> None:
    assert {path.stem for path in INTEGRATION.glob("test_*.py")} >= STORE_SUITE


def test_the_wheel_brings_two_majors() -> None:
    assert programs_of("16") != programs_of("18")


def test_a_major_that_is_not_there_is_named() -> None:
    with pytest.raises(NoServerError, match="postgresql-9"):
        programs_of("9")
