"""Who installed only a part of Groundwatch, and asks for more, is told what to install."""

import subprocess
import sys

import pytest

# A module that stands as None in sys.modules is not found, as one that is not installed.
WITHOUT = "import sys; sys.modules['{missing}'] = None; import groundwatch; groundwatch.main()"


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("prometheus_client", ["serve", "--site", "deploy/config/west-pond.yaml"]),
        ("psycopg", ["migrate", "--dsn", "host=nowhere"]),
        ("pymodbus", ["edge", "--site", "deploy/config/west-pond.yaml"]),
    ],
)
def test_a_missing_part_is_a_sentence_with_the_remedy(missing: str, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing), *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert f"needs the Python package of '{missing}" in done.stderr
    assert "pip install 'groundwatch[server]' at a centre" in done.stderr
    assert "Traceback" not in done.stderr
