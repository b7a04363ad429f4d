"""A bus: one Modbus TCP connection, on which one request at a time is answered or fails.

After a time-out the connection is closed before the next request, because a reply that comes
late would otherwise be taken for the answer to the next question, without any error.
"""

import asyncio
import logging
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from edge_agent.registers import Stretch
from edge_agent.schedule import Backoff
from edge_agent.waiting import heed_cancellation
from telemetry.clock import real_monotonic_s
from telemetry.quality import Quality
from telemetry.sources import ModbusTcp

RECONNECT_LEAST_S: Final = 0.2
RECONNECT_MOST_S: Final = 5.0
ILLEGAL_ADDRESS: Final = 2
TARGET_SILENT: Final = 11

# Modbus application protocol 1.1b3, clause 7.
EXCEPTIONS: Final = {
    1: "illegal function: the device does not know this kind of read",
    2: "illegal address: the device has no such register",
    3: "illegal value: the device refuses the number of registers",
    4: "device failure",
    5: "acknowledge: the device is still working on it",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable: the gateway itself is set up wrongly or overloaded",
    11: "gateway target silent: the gateway works, the device behind it does not answer",
}

# pymodbus logs each failed request; we log when a unit fails and when it is back.
logging.getLogger("pymodbus").addHandler(logging.NullHandler())
logging.getLogger("pymodbus").propagate = False


class ReadFailedError(Exception):
    """Registers could not be read: the slots they stand for get a quality, never a number."""

    def __init__(self, quality: Quality, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.quality = quality
        self.code = code  # Of a Modbus exception.


class Bus:
    """One connection to a device or gateway."""

    def __init__(self, address: ModbusTcp) -> None:
        self._address = address
        self._client: AsyncModbusTcpClient | None = None
        self._backoff = Backoff(RECONNECT_LEAST_S, RECONNECT_MOST_S)

    async def connect(self, timeout_s: float) -> None:
        """Make sure that there is a connection, or raise `ReadFailedError`."""
        if self._client is not None and self._client.connected:
            return
        self.close()
        where = f"{self._address.host}:{self._address.port}"
        if not self._backoff.allows(real_monotonic_s()):
            raise ReadFailedError(Quality.NO_CONNECTION, f"no connection to {where}")
        # A client of its own for each connection: nothing of an old one can leak into it.
        client = AsyncModbusTcpClient(
            self._address.host,
            port=self._address.port,
            name=where,
            timeout=self._address.timeout_s,
            retries=0,
            reconnect_delay=0,  # We decide ourselves when to try again.
            reconnect_delay_max=RECONNECT_MOST_S,
        )
        try:
            async with asyncio.timeout(timeout_s):
                connected = await client.connect()
            heed_cancellation()
        except (TimeoutError, OSError, ValueError):  # The last from a resolver that takes no name.
            connected = False
        except asyncio.CancelledError:
            client.close()
            raise
        if not connected:
            client.close()
            self._backoff.failed(real_monotonic_s())
            raise ReadFailedError(Quality.NO_CONNECTION, f"cannot connect to {where}")
        self._backoff.succeeded()
        self._client = client

    async def read(
        self, stretch: Stretch, *, device_id: int, timeout_s: float
    ) -> NDArray[np.uint16]:
        """Read registers in one request, or raise `ReadFailedError`."""
        await self.connect(timeout_s)
        answer = await self._ask(stretch, device_id, timeout_s)
        if isinstance(answer, ExceptionResponse):
            code = answer.exception_code
            told = EXCEPTIONS.get(code, "unknown exception")
            raise ReadFailedError(
                Quality.DEVICE_ERROR,
                f"unit {device_id} answered with exception {code} ({told}) to {stretch}",
                code=code,
            )
        wanted = (
            ReadHoldingRegistersResponse
            if stretch.table == "holding"
            else ReadInputRegistersResponse
        )
        if not isinstance(answer, wanted) or len(answer.registers) != stretch.words:
            self.close()  # Whatever this answers, it is not what was asked.
            raise ReadFailedError(
                Quality.DEVICE_ERROR, f"unit {device_id} gave a wrong answer to {stretch}"
            )
        return np.array(answer.registers, np.uint16)

    async def _ask(self, stretch: Stretch, device_id: int, timeout_s: float) -> ModbusPDU:
        """Send a request and wait for what comes back, or close the connection."""
        client = self._client
        assert client is not None
        ask = (
            client.read_holding_registers
            if stretch.table == "holding"
            else client.read_input_registers
        )
        try:
            async with asyncio.timeout(timeout_s):
                answer = await ask(stretch.address, count=stretch.words, device_id=device_id)
            heed_cancellation()
        except (TimeoutError, ModbusException, OSError) as error:
            self.close()
            raise ReadFailedError(
                Quality.NO_REPLY, f"unit {device_id} did not answer within {timeout_s:.2f} s"
            ) from error
        except asyncio.CancelledError:
            self.close()
            raise
        return answer

    def close(self) -> None:
        """Close the connection, if there is one; the next read opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None
