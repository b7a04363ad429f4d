"""Where the real instruments' data is: beside the checkout, never in it."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[2] / "shared" / "data"
FOLDER = Path(os.environ.get("GROUNDWATCH_REAL_DATA", BESIDE))


def real_data_folder() -> Path:
    """The folder of the real data; without it the test is skipped, but never in CI."""
    if FOLDER.is_dir():
        return FOLDER
    message = f"no real instruments' data in {FOLDER}; GROUNDWATCH_REAL_DATA names another folder"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
