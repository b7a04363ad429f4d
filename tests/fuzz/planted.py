"""A reader with planted defects, by which the tests see that each kind is found."""

from fuzz.target import Target

SECRET = b"GWB!"


def read(data: bytes) -> str:
    if data[:4] == SECRET:  # Found byte by byte, because the comparison is instrumented.
        raise ValueError("a planted crash")
    if data == b"hang":
        while True:
            pass
    if data == b"much":
        kept = [b"x" * (1 << 20) for _ in range(600)]
        while kept:
            pass
    return "read"


TARGET = Target(read=read, seeds=lambda: [b"abc"], outcomes=("read",), words=(SECRET,))
