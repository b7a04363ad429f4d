"""What has come from a broker and is on its way into the spool: when may it be acknowledged?

A message can become scans of several groups, and is kept when all of them are. It can also come
again, on the next connection, while its scans still wait for a slow disk or have just been
written: then it is the same message, and must not be taken twice.
"""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from carriers.acknowledged import Delivery

REMEMBERED_MAX: Final = 4_096  # Of 65,535 packet ids, which brokers give out one after the other.


class Receipt:
    """One message, as often as it came."""

    def __init__(self) -> None:
        self._deliveries: list[Delivery] = []
        self._parts = 1  # The last one is the end of handing over.

    def part(self) -> Callable[[], None]:
        """Count a part that must be kept; call what is returned once it is."""
        self._parts += 1
        return self.kept

    def kept(self) -> None:
        """Note that a part is kept."""
        self._parts -= 1
        if self._parts == 0:
            for delivery in self._deliveries:
                delivery.done()
            self._deliveries.clear()

    def came(self, delivery: Delivery) -> None:
        """Note a delivery of this message, the first or a repeated one."""
        if self._parts == 0:
            delivery.done()
        else:
            self._deliveries.append(delivery)


class Receipts:
    """The last messages, so that one which comes again is known."""

    def __init__(self) -> None:
        # A broker sends a message again under its first packet id [MQTT-4.4.0-1].
        self._by_packet: OrderedDict[int, tuple[bytes, Receipt]] = OrderedDict()

    def of(self, delivery: Delivery) -> tuple[Receipt, bool]:
        """Find the receipt of a message; true when it was taken before."""
        if not delivery.packet_id:
            receipt = Receipt()
            receipt.came(delivery)
            return receipt, False
        digest = blake2b(
            delivery.topic.encode() + b"\0" + delivery.payload, digest_size=16
        ).digest()
        known = self._by_packet.pop(delivery.packet_id, None)
        is_known = known is not None and delivery.again and known[0] == digest
        receipt = known[1] if known is not None and is_known else Receipt()
        receipt.came(delivery)
        self._by_packet[delivery.packet_id] = digest, receipt
        if len(self._by_packet) > REMEMBERED_MAX:
            self._by_packet.popitem(last=False)
        return receipt, is_known
