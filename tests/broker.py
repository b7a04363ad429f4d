"""A real MQTT broker of a test's own, on a free loopback port: Mosquitto, or NATS from a wheel.

NATS is among the development dependencies, so that every machine has a broker; Mosquitto is what
mines have. Both can be killed and started again on the same port with what they had on disk.
"""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from peers import peer

KINDS = ("nats", "mosquitto")
STARTS_WITHIN_S = 20.0
HEEDS_WITHIN_S = 2.0
ASKED_TO_END_MAX = 10
TRIES = 5  # Another process may take the port between our looking and the broker's listening.
READY = {"nats": "Server is ready", "mosquitto": "running"}


@dataclass(frozen=True)
class Encryption:
    """The files of a broker that speaks TLS."""

    ca_file: Path
    certificate_file: Path
    key_file: Path
    clients_too: bool = False  # Clients must show certificates of the same authority.


class BrokerFailedError(Exception):
    """The broker did not start, or does not end; the message holds what it said."""


class Broker:
    """A broker as a process, as a test sees it."""

    def __init__(
        self,
        kind: str,
        folder: Path,
        *,
        password: tuple[str, str] | None = None,  # Of the only user.
        encryption: Encryption | None = None,
        settings: Sequence[str] = (),  # Further lines of Mosquitto's configuration.
    ) -> None:
        self.kind = kind
        self.port = 0
        self._folder = folder
        self._password = password
        self._encryption = encryption
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._said: list[str] = []
        self._program = peer("mosquitto") if kind == "mosquitto" else _nats()

    def start(self) -> None:
        """Start on a free port, or again on the port of before."""
        tries = 1 if self.port else TRIES
        for left in reversed(range(tries)):
            port = self.port or free_port()
            if self._starts_on(port):
                self.port = port
                return
            if not left:
                raise BrokerFailedError("\n".join(self._said))

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order; it may have ended already."""
        self._end(signal.SIGTERM)

    def _starts_on(self, port: int) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / f"{self.kind}.conf"
        write = self._mosquitto_config if self.kind == "mosquitto" else self._nats_config
        config.write_text("\n".join(write(port)) + "\n", encoding="utf-8")
        self._process = subprocess.Popen(
            [self._program, "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        self._said = []
        threading.Thread(target=self._listen, args=(self._process, ready), daemon=True).start()
        ready.wait(STARTS_WITHIN_S)
        return self._process.poll() is None and any(READY[self.kind] in one for one in self._said)

    def _listen(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        """Read what it says until it ends, so that it never waits for us."""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._said.append(line.rstrip())
                if READY[self.kind] in line:
                    ready.set()
        process.wait()
        ready.set()

    def _end(self, how: signal.Signals) -> None:
        """Send a signal until it is heeded: Mosquitto forgets one that comes while it starts."""
        if self._process is None:
            return
        for _ in range(ASKED_TO_END_MAX):
            self._process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(HEEDS_WITHIN_S)
                self._process = None
                return
        raise BrokerFailedError(f"{self.kind} does not end when it is asked to")

    def _mosquitto_config(self, port: int) -> list[str]:
        lines = [
            "user root",  # It would else change to a user who may not write here.
            f"listener {port} 127.0.0.1",
            f"allow_anonymous {'false' if self._password else 'true'}",
            "persistence true",
            f"persistence_location {self._folder}/",
            *self._settings,
        ]
        if self._password is not None:
            users = self._folder / "users"
            users.write_text(":".join(self._password) + "\n", encoding="utf-8")
            users.chmod(0o600)
            subprocess.run([peer("mosquitto_passwd"), "-U", users], check=True)
            lines.append(f"password_file {users}")
        if self._encryption is not None:
            lines += [
                f"cafile {self._encryption.ca_file}",
                f"certfile {self._encryption.certificate_file}",
                f"keyfile {self._encryption.key_file}",
                f"require_certificate {'true' if self._encryption.clients_too else 'false'}",
            ]
        return lines

    def _nats_config(self, port: int) -> list[str]:
        lines = [
            'listen: "127.0.0.1:-1"',  # Its own protocol, which nobody here speaks.
            "server_name: broker",
            "max_payload: 8MB",
            "jetstream {",
            f'  store_dir: "{self._folder}"',
            "  sync_interval: always",
            "}",
            "mqtt {",
            f'  listen: "127.0.0.1:{port}"',
            "  max_ack_pending: 1000",
            '  ack_wait: "2s"',
        ]
        if self._encryption is not None:
            lines += [
                "  tls {",
                f'    ca_file: "{self._encryption.ca_file}"',
                f'    cert_file: "{self._encryption.certificate_file}"',
                f'    key_file: "{self._encryption.key_file}"',
                f"    verify: {'true' if self._encryption.clients_too else 'false'}",
                "  }",
            ]
        lines.append("}")
        if self._password is not None:
            name, password = self._password
            lines += ["authorization {", f'  user: "{name}"', f'  password: "{password}"', "}"]
        return lines


@contextmanager
def running_broker(
    kind: str,
    folder: Path,
    *,
    password: tuple[str, str] | None = None,
    encryption: Encryption | None = None,
    settings: Sequence[str] = (),
) -> Iterator[Broker]:
    """A broker that runs, and has ended afterwards."""
    broker = Broker(kind, folder, password=password, encryption=encryption, settings=settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def free_port() -> int:
    """Find a loopback port that nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _nats() -> str:
    """The server of the wheel, which lies beside our Python."""
    return str(Path(sys.executable).parent / "nats-server")
