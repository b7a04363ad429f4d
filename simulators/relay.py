"""A simulated relay module: coils that may be written, and inputs that show what they did.

Whoever tests a siren wants to know when it was switched, so each write is told with its instant.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.simulator import DataType, SimData, SimDevice

COILS: Final = 16
WRITE_COIL: Final = 5
READ_INPUTS: Final = 2

Told = Callable[[int, bool], None]  # The coil's address, and whether it was switched on.


class RelayModule:
    """One Modbus unit with sixteen relays; discrete input n follows coil n."""

    def __init__(self, device_id: int, told: Told) -> None:
        self.device_id = device_id
        self.is_powered = True  # Without power it does not answer, and forgets its coils.
        self.is_stuck = False  # It takes orders, and no contact moves.
        self._told = told
        self._coils = [False] * COILS
        self._contacts = [False] * COILS

    def lose_power(self) -> None:
        """Stop answering; all contacts fall open."""
        self.is_powered = False
        self._coils = [False] * COILS
        self._contacts = [False] * COILS

    def device(self) -> SimDevice:
        """Describe the unit to a Modbus server."""
        bits = [SimData(0, values=[False] * COILS, datatype=DataType.BITS)]
        none = [SimData(0, values=0, datatype=DataType.REGISTERS, readonly=True)]
        return SimDevice(self.device_id, (bits, bits, none, none), action=self._answer)

    async def _answer(
        self,
        function: int,
        _first: int,
        address: int,
        _count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if not self.is_powered:
            raise NoSuchIdException
        if function == WRITE_COIL and written:
            self._switch(address, on=bool(written[0]))
        shown = self._contacts if function == READ_INPUTS else self._coils
        registers[0] = sum(1 << n for n, on in enumerate(shown) if on)
        return None

    def _switch(self, address: int, *, on: bool) -> None:
        self._coils[address] = on
        if not self.is_stuck:
            self._contacts[address] = on
        self._told(address, on)


def told_into(path: Path | None, device_id: int, now_us: Callable[[], int]) -> Told:
    """Write each order into a file, if any, a line each: instant, unit, coil, on or off."""

    def tell(address: int, on: bool) -> None:
        if path is None:
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{now_us()} {device_id} {address} {'on' if on else 'off'}\n")

    return tell


def orders_in(path: Path) -> list[tuple[int, int, int, str]]:
    """Read such a file: instant in microseconds, unit, coil, on or off."""
    if not path.exists():
        return []
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return [(int(at), int(unit), int(coil), word) for at, unit, coil, word in rows]
