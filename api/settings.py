"""What the API is started with."""

from dataclasses import dataclass, field
from pathlib import Path

from telemetry.clock import Clock, MachineClock, SharedClock

PAGE = Path(__file__).parent / "dashboard" / "dist"
DEFAULT_PORT = 8380


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Where the API listens, where its data is, and whose pages it answers."""

    dsn: str
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    clock: Path | None = None  # A shared scenario clock; None: the machine's.
    origins: tuple[str, ...] = ()  # Further addresses of our page, as "https://mine.example".
    page: Path = field(default=PAGE)
    open_metrics: bool = False  # To whoever asks from this machine; else to tokens for all sites.
    send_timeout_s: float = 10.0  # A live client that takes no message for so long is cut.

    def make_clock(self) -> Clock:
        """Make the clock that all `…_at` are told by."""
        return MachineClock() if self.clock is None else SharedClock(self.clock)

    @property
    def own_origins(self) -> frozenset[str]:
        """Addresses under which browsers know our page; others may not use its cookie."""
        hosts = {"127.0.0.1", "localhost", "[::1]", _bracketed(self.host)}
        named = {f"http://{host}:{self.port}" for host in hosts} | set(self.origins)
        return frozenset(map(_as_browsers_write_it, named))


def _as_browsers_write_it(origin: str) -> str:
    """Write an address as the header Origin has it.

    >>> _as_browsers_write_it("https://Mine.example:443/")
    'https://mine.example'
    """
    plain = origin.rstrip("/").lower()
    usual_port = ":443" if plain.startswith("https:") else ":80"
    return plain.removesuffix(usual_port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
