"""Where numbers come from: the kinds of bus, and where a channel stands on each.

| bus                   | its groups name | its channels name               |
|-----------------------|-----------------|---------------------------------|
| `modbus_tcp`          | `device_id`     | `register`                      |
| `modbus_rtu`          | `device_id`     | `register`                      |
| `modbus_rtu_over_tcp` | `device_id`     | `register`                      |
| `mqtt`                | `message`       | `field`                         |
| `folder`              | `file`          | `column`                        |
| `gateway`             | nothing         | nothing: it sends channels' ids |

Which of these go together is checked in `telemetry.site_rules.sources`.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from telemetry.part import Key, Part, Positive, Sentence

Host = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]


class TcpLine(Part):
    """How to reach a device or gateway in a network."""

    host: Host
    port: Port = 502
    timeout_s: Positive = 1.0


class ModbusRtuOverTcp(TcpLine):
    """A serial line behind a converter that passes its frames through as they are."""


class ModbusTcp(TcpLine):
    """A Modbus TCP device or gateway."""

    # Some gateways answer every request with the transaction number 0. It is taken only where
    # the file says so, because nothing else tells a late reply from the one that is waited for.
    zero_transaction_ids: bool = False


class ModbusRtu(Part):
    """A serial line, RS-485 or RS-232, on the edge's own machine."""

    device: Sentence  # Such as /dev/ttyUSB0.
    baud_rate: Annotated[int, Field(ge=300, le=1_000_000)] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    timeout_s: Positive = 1.0


class Mqtt(Part):
    """A broker that instruments publish to; what is secret stands in the edge's settings."""

    host: Host
    port: Port = 1883
    encrypted: bool = False
    username: Sentence | None = None
    client_id: Key | None = None  # None: named after site, edge and bus.


class Folder(Part):
    """A folder on the edge's machine that loggers' files are put into."""

    path: Sentence
    look_every_s: Positive = 5.0


class Gateway(Part):
    """Somebody else's program that sends readings to the centre by itself."""


class JsonMessage(Part):
    """Messages of JSON on one topic; each is a scan, or holds a list of scans."""

    kind: Literal["json"]
    topic: Sentence  # May hold + and # as MQTT has them.
    rows: Sentence | None = None  # The field that holds the list; None: the message is one scan.
    time: Sentence | None = None  # The field of the instant; None: the instant of arrival.
    time_format: Literal["iso8601", "unix_s", "unix_ms", "unix_us", "unix_ns"] = "iso8601"
    # How far instants of iso8601 that name no offset are ahead of UTC; None: they must name one.
    utc_offset_h: Annotated[float, Field(ge=-14, le=14)] | None = None


class SparkplugMessage(Part):
    """The metrics of one Sparkplug B node, or of one device behind it."""

    kind: Literal["sparkplug_b"]
    group: Sentence
    node: Sentence
    device: Sentence | None = None


Message = Annotated[JsonMessage | SparkplugMessage, Field(discriminator="kind")]

# A field of a JSON message by its path, or a metric by its name. A path is "pressure", or
# "data.0.p" for what is inside; "/data/0/p.kpa" (RFC 6901) where names have dots; "." for all.
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
COLUMN_LAST = 4095
COLUMN_NAME_CHARACTERS_MAX = 200


def _a_column(value: object) -> object:
    """Refuse what is no column with one sentence, and not with one for each kind of column."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COLUMN_LAST:
        return value
    if isinstance(value, str) and 0 < len(value) <= COLUMN_NAME_CHARACTERS_MAX:
        return value
    raise ValueError("a column's number, from 0, or its name in the file's header")


# A column of a file, by its place, from 0, or by its name in the header.
Column = Annotated[int | str, BeforeValidator(_a_column)]
