"""What a simulated device is told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path

from telemetry.lifetime import is_supervised


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingSettings:
    """Where a device listens, and for how long it lives."""

    host: str = "127.0.0.1"
    port: int = 0  # 0 chooses a free one; the line "listening on HOST:PORT" tells which.
    rtu_over_tcp: bool = False  # Frames of a serial line, as a converter passes them on.
    serial: str | None = None  # A serial port, such as /dev/ttyUSB0, instead of host and port.
    baud_rate: int = 9600
    clock: Path | None = None  # A shared scenario clock; it may be written later.
    supervised: bool = field(default_factory=is_supervised)  # Ends with its standard input.


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings(ServingSettings):
    """A device of the demo mine, under a scenario."""

    device: str  # One of `simulators.scenario.DEVICES`.
    scenario: str = "calm"  # A name, or the path of a TOML file.
    seed: int = 1
    site: Path | None = None  # Left out: the demo mine as it comes, with the scenario's periods.
    orders: Path | None = None  # A file that tells what sounders were ordered, and when.
    write_file: Path | None = None  # A folder to write logger files into, instead of serving.


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttDeviceSettings(DeviceSettings):
    """The same device, but it publishes to the broker at this host and port."""

    sparkplug: bool = False  # As a Sparkplug B node; otherwise JSON.


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings(ServingSettings):
    """Real logger files, served as registers at their own instants."""

    mapping: Path | None
    files: tuple[Path, ...]
