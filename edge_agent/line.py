"""A line: one connection of pymodbus to a device, a gateway or a serial port."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException
from pymodbus.framer import FramerType
from pymodbus.pdu import DecodePDU

from edge_agent.framing import StrictRtuFramer, StrictSocketFramer
from telemetry.sources import ModbusRtu, ModbusRtuOverTcp, ModbusTcp

Address = ModbusTcp | ModbusRtuOverTcp | ModbusRtu
Client = AsyncModbusTcpClient | AsyncModbusSerialClient
Framer = StrictSocketFramer | StrictRtuFramer

FRAME_BYTES_MAX: Final = 256 + 8  # The longest answer on a serial line, and the question.
CHARACTER_BITS: Final = 11  # With start bit, parity or second stop bit, and stop bit.
# Serial line specification 1.02, clause 2.5.1.1: above 19,200 baud the silence is fixed.
SILENCE_CHARACTERS: Final = 3.5
SILENCE_LEAST_S: Final = 0.00175
PARITY: Final = {"none": "N", "even": "E", "odd": "O"}
# How soon the machine itself finds out, between two scans, that the other side is gone.
KEEPALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


class Line:
    """One connection; it is made once, and thrown away when it is closed."""

    def __init__(self, address: Address) -> None:
        """Prepare a connection of its own, so that nothing of an older one can leak into it."""
        self.framer = _framer_of(address)
        self.client = _client_of(address, self._connection_changed)
        self.client.ctx.framer = self.framer
        self._is_serial = isinstance(address, ModbusRtu)
        self.is_used = False  # Whether anything was answered on it.

    @property
    def is_open(self) -> bool:
        """Whether questions can be asked, as far as we know."""
        return self.client.connected

    @property
    def is_suspect(self) -> bool:
        """Whether bytes came that nobody asked for: a new connection begins without them.

        A serial line has no other connection to offer; there silence is waited for instead.
        """
        return self.framer.stray_bytes > 0 and not self._is_serial

    async def open(self) -> bool:
        """Connect; false when that is not possible."""
        if not await self.client.connect():
            return False
        transport = self.client.ctx.transport
        connected = transport.get_extra_info("socket") if transport is not None else None
        if connected is not None:
            _watch(connected)
        return True

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def flush_input(self) -> None:
        """Forget what has arrived on a serial line and was not read yet."""
        port = getattr(self.client.ctx.transport, "sync_serial", None)
        if port is not None:
            port.reset_input_buffer()
        self.client.ctx.recv_buffer = b""

    def _connection_changed(self, is_there: bool) -> None:
        """End a question at once when the other side hangs up: waiting would only cost time."""
        answer = self.client.ctx.response_future
        if not is_there and self.framer.question is not None and not answer.done():
            answer.set_exception(ConnectionException("the other side hung up"))


def where_is(address: Address) -> str:
    """Name the other end as people do."""
    if isinstance(address, ModbusRtu):
        return address.device
    return f"{address.host}:{address.port}"


def why_not(address: Address) -> str:
    """Guess why a line cannot be opened, from what can be seen from here."""
    if not isinstance(address, ModbusRtu):
        return ""
    if not Path(address.device).exists():
        return ": there is no such serial port; is the adapter plugged in?"
    if not os.access(address.device, os.R_OK | os.W_OK):
        return ": this user may not use it; on Debian it needs the group dialout"
    return ": another program may be using it, or it takes no such baud rate"


def on_the_wire_s(address: Address, value_bytes: int) -> float:
    """How long a question and its answer take to be transmitted, before anyone is slow."""
    if not isinstance(address, ModbusRtu):
        return 0.0
    return (8 + 5 + value_bytes) * CHARACTER_BITS / address.baud_rate


def silence_s(address: Address) -> float:
    """How long a serial line must be silent between an answer and the next question."""
    if not isinstance(address, ModbusRtu):
        return 0.0
    return max(SILENCE_LEAST_S, SILENCE_CHARACTERS * CHARACTER_BITS / address.baud_rate)


def _framer_of(address: Address) -> Framer:
    decoder = DecodePDU(False)
    if not isinstance(address, ModbusTcp):
        return StrictRtuFramer(decoder)
    framer = StrictSocketFramer(decoder)
    framer.zero_is_accepted = address.zero_transaction_ids
    return framer


def _client_of(address: Address, changed: Callable[[bool], None]) -> Client:
    if isinstance(address, ModbusRtu):
        return AsyncModbusSerialClient(
            address.device,
            baudrate=address.baud_rate,
            parity=PARITY[address.parity],
            stopbits=address.stop_bits,
            name=where_is(address),
            timeout=address.timeout_s + on_the_wire_s(address, FRAME_BYTES_MAX),
            retries=0,
            reconnect_delay=0,
            trace_connect=changed,
        )
    return AsyncModbusTcpClient(
        address.host,
        port=address.port,
        framer=FramerType.SOCKET if isinstance(address, ModbusTcp) else FramerType.RTU,
        name=where_is(address),
        timeout=address.timeout_s,
        retries=0,
        reconnect_delay=0,  # We decide ourselves when to try again.
        trace_connect=changed,
    )


def _watch(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, number in KEEPALIVE.items():
        option = getattr(socket, name, None)  # Not every system lets us choose.
        if option is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, number)
