"""A Modbus unit as a device server sees it: what its registers hold now, or why it won't say."""

from enum import Enum
from typing import Protocol


class Refusal(Enum):
    """How a unit fails to answer."""

    SILENT = "silent"  # Nothing comes back: dead, or cut off.
    BUSY = "busy"  # It answers with an exception: there is nothing to read just now.


class ModbusUnit(Protocol):
    """One unit of a bus; both tables, holding and input registers, show the same words."""

    @property
    def device_id(self) -> int:
        """Its number on the bus."""

    @property
    def first_address(self) -> int:
        """The lowest register."""

    @property
    def register_count(self) -> int:
        """Registers from the lowest to the highest."""

    def holds(self, now_us: int) -> list[int] | Refusal:
        """What the registers hold at an instant, from the lowest up."""
