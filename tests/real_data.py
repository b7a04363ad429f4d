"""Where the real instruments' data is: beside the checkout, never in it."""

import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def real_data_folder() -> Path:
    """The folder of the real data; without it the test is skipped, but never in CI."""
    if FOLDER.is_dir():
        return FOLDER
    message = f"the real instruments' data is not here: {FOLDER}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
