"""Sparkplug B payloads: metrics as bytes, by a description of our own.

The field numbers are those of the Eclipse Sparkplug specification 3.0.0, clause 6.4 (payloads),
and the data types those of clause 6.4.16. What a reader of numbers has no use for (data sets,
templates, metadata, files) is left out of the description, so that it is skipped unread, however
deeply it is nested.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

NAMESPACE: Final = "spBv1.0"
REBIRTH: Final = "Node Control/Rebirth"  # tck-id-payloads-nbirth-rebirth-req
BIRTH_NUMBER: Final = "bdSeq"
COMPRESSED: Final = "SPBV1.0_COMPRESSED"
SEQUENCE: Final = 256  # tck-id-payloads-sequence-num-incrementing
PAYLOAD_BYTES_MAX: Final = 1 << 20
METRICS_MAX: Final = 20_000


class DataType(IntEnum):
    """The types that are numbers, or may be read as such."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15


BITS: Final = {
    DataType.INT8: 8,
    DataType.INT16: 16,
    DataType.INT32: 32,
    DataType.INT64: 64,
    DataType.UINT8: 8,
    DataType.UINT16: 16,
    DataType.UINT32: 32,
    DataType.UINT64: 64,
    DataType.DATETIME: 64,
}
SIGNED: Final = (DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64)

# tck-id-payloads-propertyset-quality-value: what a metric's property "Quality" may be.
QUALITY: Final = "Quality"
QUALITY_GOOD: Final = 192
QUALITY_STALE: Final = 500

_Field = descriptor_pb2.FieldDescriptorProto
_VALUES: Final = (
    ("int_value", 10, _Field.TYPE_UINT32),
    ("long_value", 11, _Field.TYPE_UINT64),
    ("float_value", 12, _Field.TYPE_FLOAT),
    ("double_value", 13, _Field.TYPE_DOUBLE),
    ("boolean_value", 14, _Field.TYPE_BOOL),
    ("string_value", 15, _Field.TYPE_STRING),
)
_METRIC: Final = (
    ("name", 1, _Field.TYPE_STRING),
    ("alias", 2, _Field.TYPE_UINT64),
    ("timestamp", 3, _Field.TYPE_UINT64),
    ("datatype", 4, _Field.TYPE_UINT32),
    ("is_historical", 5, _Field.TYPE_BOOL),
    ("is_null", 7, _Field.TYPE_BOOL),
    ("properties", 9, ".PropertySet"),
)
_PAYLOAD: Final = (
    ("timestamp", 1, _Field.TYPE_UINT64),
    ("metrics", 2, "*.Metric"),
    ("seq", 3, _Field.TYPE_UINT64),
    ("uuid", 4, _Field.TYPE_STRING),
)
_PROPERTY_SET: Final = (("keys", 1, "*string"), ("values", 2, "*.PropertyValue"))
_PROPERTY_VALUE: Final = (
    ("type", 1, _Field.TYPE_UINT32),
    ("is_null", 2, _Field.TYPE_BOOL),
    ("int_value", 3, _Field.TYPE_UINT32),
)


class SparkplugError(Exception):
    """Bytes that are no Sparkplug payload; the message says why."""


Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is in a payload."""

    name: str | None = None
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int | None = None  # Always in a birth; afterwards it may be left out.
    value: Value | None = None  # None: it is null, or nothing that a number is read from.
    is_null: bool = False
    is_historical: bool = False
    quality: int | None = None  # The property of this name.


@dataclass(frozen=True, slots=True)
class Payload:
    """One message."""

    timestamp_ms: int | None
    seq: int | None
    metrics: tuple[Metric, ...] = ()


def decode_payload(data: bytes) -> Payload:
    """Read a payload from untrusted bytes; raise `SparkplugError` with the reason."""
    if len(data) > PAYLOAD_BYTES_MAX:
        raise SparkplugError(f"it has {len(data)} bytes, more than {PAYLOAD_BYTES_MAX}")
    found = _payload_class()()
    try:
        found.ParseFromString(data)
        if found.uuid == COMPRESSED:
            raise SparkplugError("it is compressed, which is not read: turn that off at the node")
        if len(found.metrics) > METRICS_MAX:
            raise SparkplugError(f"it has {len(found.metrics)} metrics, more than {METRICS_MAX}")
        metrics = tuple(_metric_of(one) for one in found.metrics)
    except DecodeError as error:
        raise SparkplugError(f"it is no Sparkplug B payload ({error})") from None
    except UnicodeDecodeError:  # So protobuf without its C part says it.
        raise SparkplugError("a text in it is not UTF-8") from None
    return Payload(_given(found, "timestamp"), _given(found, "seq"), metrics)


def encode_payload(payload: Payload) -> bytes:
    """Write a payload as bytes."""
    made = _payload_class()()
    if payload.timestamp_ms is not None:
        made.timestamp = payload.timestamp_ms
    if payload.seq is not None:
        made.seq = payload.seq
    for metric in payload.metrics:
        _write_metric(made.metrics.add(), metric)
    data: bytes = made.SerializeToString()
    return data


def number_of(value: Value, datatype: int) -> float | str:
    """Read a value by its data type; text stays text.

    >>> number_of(0xFFFF_FFFE, DataType.INT8), number_of(0xFE, DataType.INT8), number_of(True, 11)
    (-2.0, -2.0, 1.0)
    """
    if isinstance(value, str):
        return value
    bits = BITS.get(DataType(datatype)) if datatype in set(DataType) else None
    if bits is None or isinstance(value, float):
        return float(value)
    # Negative numbers stand as two's complement, in as many bits as the writer liked.
    number = int(value) & ((1 << bits) - 1)
    if datatype in SIGNED and number >= 1 << (bits - 1):
        number -= 1 << bits
    return float(number)


def rebirth_request(at_ms: int) -> bytes:
    """Ask a node to say again what it measures; to be published as NCMD."""
    metric = Metric(REBIRTH, timestamp_ms=at_ms, datatype=DataType.BOOLEAN, value=True)
    return encode_payload(Payload(at_ms, None, (metric,)))


def is_rebirth_request(payload: Payload) -> bool:
    """Tell whether a command asks for that."""
    return any(metric.name == REBIRTH and metric.value is True for metric in payload.metrics)


def _metric_of(one: Any) -> Metric:  # noqa: ANN401 - of a class that is made at run time
    which = one.WhichOneof("value")
    return Metric(
        name=_given(one, "name"),
        alias=_given(one, "alias"),
        timestamp_ms=_given(one, "timestamp"),
        datatype=_given(one, "datatype"),
        value=None if which is None or one.is_null else _text_or_number(getattr(one, which)),
        is_null=one.is_null,
        is_historical=one.is_historical,
        quality=_quality_of(one.properties) if one.HasField("properties") else None,
    )


def _quality_of(properties: Any) -> int | None:  # noqa: ANN401
    for key, value in zip(properties.keys, getattr(properties, "values"), strict=False):  # noqa: B009
        if key == QUALITY and value.HasField("int_value"):
            quality: int = value.int_value
            return quality
    return None


def _given(message: Any, name: str) -> Any:  # noqa: ANN401
    return _text_or_number(getattr(message, name)) if message.HasField(name) else None


def _text_or_number(value: Any) -> Any:  # noqa: ANN401
    """Refuse what protobuf gives for a text that is not UTF-8: its bytes."""
    if isinstance(value, bytes):
        raise SparkplugError("a text in it is not UTF-8")
    return value


def _write_metric(made: Any, metric: Metric) -> None:  # noqa: ANN401
    for name, value in (
        ("name", metric.name),
        ("alias", metric.alias),
        ("timestamp", metric.timestamp_ms),
        ("datatype", metric.datatype),
        ("is_historical", metric.is_historical or None),
        ("is_null", metric.is_null or None),
    ):
        if value is not None:
            setattr(made, name, value)
    if metric.quality is not None:
        made.properties.keys.append(QUALITY)
        made.properties.values.add(type=DataType.INT32, int_value=metric.quality)
    if metric.value is not None:
        _write_value(made, metric.value, metric.datatype)


def _write_value(made: Any, value: Value, datatype: int | None) -> None:  # noqa: ANN401
    if isinstance(value, str):
        made.string_value = value
    elif isinstance(value, bool):
        made.boolean_value = value
    elif datatype == DataType.FLOAT:
        made.float_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif datatype in {DataType.INT64, DataType.UINT64, DataType.DATETIME}:
        made.long_value = value & (2**64 - 1)
    else:
        made.int_value = value & (2**32 - 1)


@cache
def _payload_class() -> Any:  # noqa: ANN401
    """Make the class from the description; in a pool of its own, for others may describe it too."""
    file = descriptor_pb2.FileDescriptorProto(name="groundwatch_sparkplug", syntax="proto2")
    _describe(file, "PropertyValue", _PROPERTY_VALUE)
    _describe(file, "PropertySet", _PROPERTY_SET)
    _describe(file, "Metric", _METRIC, one_of=_VALUES)
    _describe(file, "Payload", _PAYLOAD)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Payload"))


def _describe(
    file: Any,  # noqa: ANN401
    name: str,
    fields: Sequence[tuple[str, int, Any]],
    one_of: Sequence[tuple[str, int, Any]] = (),
) -> None:
    described = file.message_type.add(name=name)
    if one_of:
        described.oneof_decl.add(name="value")
    for key, number, kind in (*fields, *one_of):
        field = described.field.add(name=key, number=number)
        field.label = _Field.LABEL_OPTIONAL
        if isinstance(kind, str):
            if kind.startswith("*"):
                field.label = _Field.LABEL_REPEATED
            kind = kind.removeprefix("*")  # noqa: PLW2901
            field.type = _Field.TYPE_STRING if kind == "string" else _Field.TYPE_MESSAGE
            if kind != "string":
                field.type_name = kind
        else:
            field.type = kind
        if (key, number, kind) in one_of:
            field.oneof_index = 0
