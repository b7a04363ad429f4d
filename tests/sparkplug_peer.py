"""A Sparkplug B node made by another library, pysparkplug, in an environment of its own.

    sparkplug_peer.py PORT

It is born with a metric of every type, then obeys lines on standard input: `NAME VALUE` tells a
change, `die` the device's death. It says "done" after each, and "asked" when it is told to say
all again, which the library leaves to others.
"""

import sys

import pysparkplug as spb

DEVICE = "logger"
METRICS = [
    ("int8", spb.DataType.INT8, -8),
    ("int16", spb.DataType.INT16, -16_000),
    ("int32", spb.DataType.INT32, -2_000_000_000),
    ("int64", spb.DataType.INT64, -(2**53)),
    ("uint8", spb.DataType.UINT8, 200),
    ("uint16", spb.DataType.UINT16, 60_000),
    ("uint32", spb.DataType.UINT32, 4_000_000_000),
    ("uint64", spb.DataType.UINT64, 2**60),
    ("float", spb.DataType.FLOAT, 1.5),
    ("double", spb.DataType.DOUBLE, 0.1),
    ("boolean", spb.DataType.BOOLEAN, True),
    ("string", spb.DataType.STRING, "12.25"),
    ("nothing", spb.DataType.DOUBLE, None),
]


def metric(name: str, datatype: spb.DataType, value: object) -> spb.Metric:
    """Make a metric as of now."""
    return spb.Metric(
        timestamp=spb.get_current_timestamp(),
        name=name,
        datatype=datatype,
        value=value,
        is_null=value is None,
    )


def say(word: str) -> None:
    """Tell whoever started us."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(port: int) -> None:
    """Live until standard input ends."""
    node = spb.EdgeNode(
        group_id="mine",
        edge_node_id="dam",
        metrics=[metric("supply", spb.DataType.FLOAT, 12.5)],
        cmd_callback=lambda _, message: say(f"asked {message.payload.metrics[0].name}"),
    )
    node.register(spb.Device(DEVICE, [metric(*one) for one in METRICS]))
    node.connect("127.0.0.1", port=port)
    for line in sys.stdin:
        name, _, value = line.strip().partition(" ")
        if name == "die":
            node.deregister(DEVICE)
        else:
            datatype = next(kind for known, kind, _ in METRICS if known == name)
            number = float(value) if datatype is spb.DataType.DOUBLE else int(value)
            node.update_device(DEVICE, [metric(name, datatype, number)])
        say("done")
    node.disconnect()


if __name__ == "__main__":
    main(int(sys.argv[1]))
