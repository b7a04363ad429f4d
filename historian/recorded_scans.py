"""Scans that no row holds, as the body of an input: exact to the last bit, and back.

A duplicate is not stored twice, but the engine has seen it; a replay must see it too. Arrays
stand in the body as base64 of their little-endian bytes, because JSON has no NaN.
"""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from historian.scan_rows import ScanWrite


def body_of(write: ScanWrite) -> dict[str, Any]:
    """Write scans as JSON."""
    return {
        "group_id": write.group_id,
        "stream_id": write.stream_id,
        "seq": write.seq,
        "slots": write.value.shape[1],
        "time_us": write.time_us.tolist(),
        "judged_us": write.judged_us.tolist(),
        "ordinal": write.ordinal.tolist(),
        "raw": None if write.raw is None else _text_of(write.raw, "<f8"),
        "value": _text_of(write.value, "<f8"),
        "quality": _text_of(write.quality, "<i2"),
    }


def scans_of(body: dict[str, Any]) -> ScanWrite:
    """Read scans from the body of an input of kind `unstored_scans`."""
    slots: int = body["slots"]
    raw = body["raw"]
    return ScanWrite(
        group_id=body["group_id"],
        stream_id=body["stream_id"],
        seq=body["seq"],
        time_us=np.array(body["time_us"], np.int64),
        judged_us=np.array(body["judged_us"], np.int64),
        ordinal=np.array(body["ordinal"], np.int16),
        raw=None if raw is None else _matrix(raw, "<f8", slots).astype(np.float64),
        value=_matrix(body["value"], "<f8", slots).astype(np.float64),
        quality=_matrix(body["quality"], "<i2", slots).astype(np.int16),
    )


def _text_of(matrix: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(matrix, kind).tobytes()).decode("ascii")


def _matrix(text: str, kind: str, slots: int) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), kind).reshape(-1, slots)
