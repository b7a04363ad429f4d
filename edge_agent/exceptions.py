"""What a device means by a Modbus exception, and what whoever looks after it can do."""

from typing import Final

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
TARGET_SILENT: Final = 11

# Modbus application protocol 1.1b3, clause 7.
EXCEPTIONS: Final = {
    1: "illegal function: the device does not know this kind of read. "
    "Remedy: try the other table, holding or input",
    2: "illegal address: the device has no such register. "
    "Remedy: if its document counts from 1 or writes 40001, give `number` or `reference`",
    3: "illegal value: the device refuses the number of registers. "
    "Remedy: read fewer at once, and no number in part",
    4: "device failure. Remedy: look at the device's own fault display",
    5: "acknowledge: the device is still working on it",
    6: "device busy. Remedy: a longer period, and one master on the line",
    8: "memory parity error. Remedy: have the device repaired",
    10: "gateway path unavailable: the gateway itself is set up wrongly or overloaded. "
    "Remedy: look at the gateway's serial settings and its table of units",
    11: "gateway target silent: the gateway works, the device behind it does not answer. "
    "Remedy: look at that device's power, wiring, number and baud rate",
}


def exception_in_words(code: int) -> str:
    """Say what an exception means; an unknown code is told as one."""
    return EXCEPTIONS.get(code, "unknown exception")
