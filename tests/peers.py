"""Other people's programs that ours must get on with: found, or the test is skipped and says so."""

import os
import shutil
from typing import NoReturn

import pytest

# Debian puts servers where a user's PATH may not look.
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def peer(name: str) -> str:
    """Find a program; without it the test is skipped. On CI, where all are there, it fails."""
    found = shutil.which(name, path=PLACES)
    if found is None:
        absent(f"the peer '{name}' is not installed; .ci/run says from which package it comes")
    return found


def absent(reason: str) -> NoReturn:
    """Skip the test because a peer is not there; on CI it fails instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
