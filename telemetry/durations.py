"""How long: durations as people write them."""

UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_in(text: str) -> float:
    """Read a duration such as 90s, 5m, 2h or 90; ValueError, with a sentence, when it is none.

    >>> [seconds_in(text) for text in ("90s", "5m", "2h", "0.5")]
    [90.0, 300.0, 7200.0, 0.5]
    """
    number, unit = (text[:-1], UNITS_S[text[-1]]) if text[-1:] in UNITS_S else (text, 1.0)
    try:
        seconds = float(number) * unit
    except ValueError:
        raise ValueError(f"'{text}' is no duration; write it like 90s, 5m or 2h.") from None
    if not 0 < seconds < float("inf"):
        raise ValueError(f"'{text}' is no time at all; write it like 90s, 5m or 2h.")
    return seconds
