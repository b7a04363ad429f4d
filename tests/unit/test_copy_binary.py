"""Packed rows are what PostgreSQL's binary COPY says, byte for byte."""

import struct
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from historian.copy_binary import HEADER, POSTGRES_EPOCH_US, TRAILER, Column, Rows, encode


def field(kind: str, value: Any) -> bytes:
    """One field, packed the slow and obvious way."""
    if value is None:
        return struct.pack(">i", -1)
    if kind == "timestamptz":
        return struct.pack(">iq", 8, value - POSTGRES_EPOCH_US)
    if kind in {"int2", "int4", "int8"}:
        code = {"int2": "h", "int4": "i", "int8": "q"}[kind]
        return struct.pack(f">i{code}", struct.calcsize(f">{code}"), value)
    code, number = {"float8[]": ("d", 701), "int2[]": ("h", 21)}[kind]
    size = struct.calcsize(f">{code}")
    body = struct.pack(">iiiii", 1, 0, number, len(value), 1)
    body += b"".join(struct.pack(f">i{code}", size, one) for one in value)
    return struct.pack(">i", len(body)) + body


def row(*fields: tuple[str, Any]) -> bytes:
    return struct.pack(">h", len(fields)) + b"".join(field(*one) for one in fields)


def test_one_row_of_every_kind() -> None:
    columns = [
        Column("int2", np.array([-2])),
        Column("int4", np.array([70_000])),
        Column("int8", np.array([2**40])),
        Column("timestamptz", np.array([1_751_328_000_000_001])),
        Column("float8[]", np.array([[1.5, -0.25]])),
        Column("int2[]", np.array([[7, -1, 300]], np.int16)),
        Column("int8", None),
    ]

    assert encode([Rows(columns, 1)]) == HEADER + row(
        ("int2", -2),
        ("int4", 70_000),
        ("int8", 2**40),
        ("timestamptz", 1_751_328_000_000_001),
        ("float8[]", [1.5, -0.25]),
        ("int2[]", [7, -1, 300]),
        ("int8", None),
    ) + TRAILER  # fmt: skip


def test_rows_of_different_widths_stand_side_by_side() -> None:
    narrow = Rows([Column("float8[]", np.array([[1.0]]))], 1)
    wide = Rows([Column("float8[]", np.array([[2.0, 3.0]]))], 1)
    none = Rows([Column("float8[]", np.empty((0, 5)))], 0)

    packed = encode([narrow, none, wide])

    assert packed == HEADER + row(("float8[]", [1.0])) + row(("float8[]", [2.0, 3.0])) + TRAILER


def test_no_rows_are_an_empty_copy() -> None:
    assert encode([]) == HEADER + TRAILER


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.tuples(*[st.floats(allow_nan=False)] * 3),
            st.none() | st.tuples(*[st.integers(-(2**15), 2**15 - 1)] * 2),
        ),
        max_size=20,
    )
)
def test_nulls_stand_where_they_belong(rows: list[tuple[Any, Any, Any]]) -> None:
    columns = [
        Column(
            "int8",
            np.array([one[0] or 0 for one in rows], np.int64),
            np.array([one[0] is None for one in rows], np.bool_),
        ),
        Column(
            "float8[]",
            np.array([one[1] or (0.0,) * 3 for one in rows], np.float64).reshape(-1, 3),
            np.array([one[1] is None for one in rows], np.bool_),
        ),
        Column(
            "int2[]",
            np.array([one[2] or (0,) * 2 for one in rows], np.int16).reshape(-1, 2),
            np.array([one[2] is None for one in rows], np.bool_),
        ),
    ]

    packed = encode([Rows(columns, len(rows))])

    # Rows may come in another order, but those with the same NULLs keep theirs.
    patterns: dict[int, bytes] = {}
    for one in rows:
        pattern = sum((value is None) << n for n, value in enumerate(one))
        said = row(("int8", one[0]), ("float8[]", one[1]), ("int2[]", one[2]))
        patterns[pattern] = patterns.get(pattern, b"") + said
    body = b"".join(patterns[pattern] for pattern in sorted(patterns))
    assert packed == HEADER + body + TRAILER
