"""What the API is started with."""

from dataclasses import dataclass, field
from pathlib import Path

from telemetry.clock import Clock, MachineClock, SharedClock
from telemetry.tls import Credentials, read_certificates

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
    credentials: Credentials | None = None  # None: nothing is encrypted.

    def make_clock(self) -> Clock:
        """Make the clock that all `…_at` are told by."""
        return MachineClock() if self.clock is None else SharedClock(self.clock)

    @property
    def own_origins(self) -> frozenset[str]:
        """Addresses under which browsers know our page; others may not use its cookie.

        Raises TlsFilesError when the certificate, which says what we are called, can't be read.
        """
        hosts = {"127.0.0.1", "localhost", "[::1]", _bracketed(self.host)}
        scheme = "http"
        if self.credentials is not None:
            scheme = "https"
            named = read_certificates(self.credentials.certificate)[0].hosts
            hosts |= {_bracketed(one) for one in named if "*" not in one}
        named_here = {f"{scheme}://{host}:{self.port}" for host in hosts}
        return frozenset(map(_as_browsers_write_it, named_here | set(self.origins)))


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
