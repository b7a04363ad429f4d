"""Nothing in the field is written to, but the coils of sounders, by one file."""

import re

from house.our_files import name_of, product_files

WRITES = re.compile(
    r"\b(?:write_coils?|write_registers?|mask_write_register|readwrite_registers"
    r"|write_file_record|about_coil)\("
)
MAY = {"edge_agent/local_alarm.py", "edge_agent/framing.py"}  # The order, and how it is put.


def test_only_the_local_alarm_writes_to_the_field() -> None:
    found = {
        name_of(path) for path in product_files() if WRITES.search(path.read_text(encoding="utf-8"))
    }
    assert found == MAY


def test_no_function_code_of_another_write_is_known_to_the_edge() -> None:
    """Framing lets answers to reads through, and the echo of a coil; nothing else is an answer."""
    from edge_agent.framing import WRITE_COIL  # noqa: PLC0415
    from telemetry.register import FUNCTIONS  # noqa: PLC0415

    assert set(FUNCTIONS.values()) | {WRITE_COIL} == {1, 2, 3, 4, 5}
