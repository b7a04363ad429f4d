"""The site file's words: site > structure > station > scan group > channel of an instrument.

These models say what may stand where. What must hold between parts of a file (slots, limits
in order, references) is checked in `telemetry.site_rules`; files are read, with line numbers
for every complaint, by `telemetry.site_file`.
"""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from telemetry.event import EventKind
from telemetry.event_fields import EventFields, SeismicConvention
from telemetry.event_rules import EventDetector
from telemetry.limits import Chart, Limit, RateLimit
from telemetry.logger_files.format import FileOfGroup
from telemetry.part import Key, NotNegative, Part, Positive, Sentence
from telemetry.part import Name as Name  # noqa: PLC0414 (the other rooms take it from here)
from telemetry.register import ByteOrder, Register, Table
from telemetry.screens import Screens
from telemetry.sounders import Sounder
from telemetry.sources import (
    Column,
    FieldName,
    Folder,
    Gateway,
    JsonMessage,
    Message,
    ModbusRtu,
    ModbusRtuOverTcp,
    ModbusTcp,
    Mqtt,
)
from telemetry.templates import AnyTemplate
from telemetry.trends import AnyTrend, Drift
from telemetry.voting import Voting

Unit = Annotated[str, StringConstraints(min_length=1, max_length=16)]


class Level(IntEnum):
    """The four colours, and none."""

    NONE = 0
    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4


LevelName = Literal["blue", "yellow", "orange", "red"]


class StructureKind(StrEnum):
    """What kind of ground, or machine, is watched."""

    TAILINGS_DAM = "tailings_dam"
    SLOPE = "slope"
    UNDERGROUND = "underground"
    VENTILATION = "ventilation"


class Position(Part):
    """Where an instrument is, in the site's own coordinates."""

    east_m: float
    north_m: float
    elevation_m: float


class Instrument(Part):
    """A device in the field that measures one or more quantities."""

    id: Key
    type: Key
    name: Name | None = None
    serial: Sentence | None = None
    position: Position | None = None


class Linear(Part):
    """value = gain * (raw - zero) + offset."""

    kind: Literal["linear"]
    gain: float
    zero: float = 0.0
    offset: float = 0.0


class Polynomial(Part):
    """value = c0 + c1 raw + c2 raw² + …."""

    kind: Literal["polynomial"]
    coefficients: Annotated[list[float], Field(min_length=1, max_length=10)]


class Thermistor(Part):
    """Steinhart-Hart: 1 / (a + b ln R + c ln³ R) - 273.15 + trim, from ohms to °C."""

    kind: Literal["thermistor"]
    a: float
    b: float
    c: float
    trim_c: float = 0.0


class TemperatureCorrection(Part):
    """Adds factor * (T - zero) + offset to the pressure, before `VibratingWire.scale`.

    The factor is in the pressure's unit per °C, the offset in the pressure's unit.
    """

    channel: Key  # Of the same scan group.
    factor: float
    zero_c: float
    offset: float = 0.0


class BarometerCorrection(Part):
    """Subtracts (barometer - zero), for instruments that are not vented."""

    channel: Key  # Of the same scan group; for another station use a calculated channel.
    zero: float
    # In which unit the calibration sheet gives the pressure; the barometer has to be in it too.
    # May be left out where the channel shows that pressure as it is.
    unit: Annotated[str, StringConstraints(min_length=1, max_length=16)] | None = None


class VibratingWire(Part):
    """Common to both vibrating-wire formulas."""

    # A frequency in Hz, or digits (f² / 1000) that the logger has computed already.
    raw: Literal["frequency_hz", "digits"] = "frequency_hz"
    temperature: TemperatureCorrection | None = None
    barometer: BarometerCorrection | None = None
    # Turns the pressure into the channel's unit: value = scale * pressure + offset.
    scale: float = 1.0
    offset: float = 0.0


class VibratingWireLinear(VibratingWire):
    """P = gain * (digits - zero), with the sign of the calibration sheet in the gain."""

    kind: Literal["vibrating_wire_linear"]
    gain: float
    zero_digits: float


class VibratingWirePolynomial(VibratingWire):
    """P = a x² + b x + c, where x is the frequency in Hz or the digits, as the sheet says."""

    kind: Literal["vibrating_wire_polynomial"]
    x: Literal["frequency_hz", "digits"]
    a: float
    b: float
    c: float


Conversion = Annotated[
    Linear | Polynomial | Thermistor | VibratingWireLinear | VibratingWirePolynomial,
    Field(discriminator="kind"),
]


class State(Part):
    """A named state of a discrete channel; it may be an alarm level of its own."""

    name: Name
    level: LevelName | None = None


class ChannelBase(Part):
    """What measured and calculated channels have in common."""

    id: Key  # Unique in the whole site.
    name: Name | None = None
    quantity: Key
    unit: Unit
    slot: Annotated[int, Field(ge=0, lt=128)]
    resolution: Positive | None = None
    range: tuple[float, float] | None = None  # Values outside are bad: out of range.
    limits: list[Limit] = Field(default_factory=list)
    rate_limits: list[RateLimit] = Field(default_factory=list)
    charts: list[Chart] = Field(default_factory=list)
    screen: Screens | None = None
    trends: list[AnyTrend] = Field(default_factory=list)
    drift: Drift | None = None
    # Only these of the site's templates; an empty list, or the word `none`: no template.
    templates: list[Key] | None = None
    # A discrete channel names its states by number and has no limits.
    states: dict[int, State] | None = None
    state_on_delay_s: NotNegative = 0.0
    state_off_delay_s: NotNegative = 0.0


class Channel(ChannelBase):
    """One measured quantity of an instrument."""

    instrument: Key
    point: Key | None = None  # Of the group's profile: what is not said here is taken from there.
    # Where it stands on its bus: one of these, as `telemetry.sources` says.
    register_: Annotated[Register | None, Field(alias="register")] = None
    field: FieldName | None = None
    column: Column | None = None
    conversion: Conversion | None = None  # None: the register already is the value.
    electrical_range: tuple[float, float] | None = None  # Of the raw number.

    @property
    def modbus_register(self) -> Register:
        """The register of a channel of a Modbus bus."""
        assert self.register_ is not None
        return self.register_


class CalculatedChannel(ChannelBase):
    """A quantity computed from other channels of the site, also of other stations."""

    formula: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    inputs: dict[str, Key]  # Names in the formula, and the channels they stand for.
    constants: dict[str, float] = Field(default_factory=dict)
    max_age_s: Positive  # An input older than this makes the result bad.


class Point(Part):
    """One number of a kind of device, as its maker's document describes it."""

    id: Key
    name: Name | None = None
    quantity: Key
    unit: Unit
    register_: Annotated[Register, Field(alias="register")]
    conversion: Conversion | None = None
    electrical_range: tuple[float, float] | None = None
    resolution: Positive | None = None
    range: tuple[float, float] | None = None
    states: dict[int, State] | None = None


class Profile(Part):
    """The register map of a kind of device."""

    id: Key
    maker: Sentence
    model: Sentence
    document: Sentence  # Where the map stands, so that it can be checked.
    table: Table = "holding"  # Of registers that say nothing else.
    byte_order: ByteOrder = "ABCD"  # Of numbers of several registers that say nothing else.
    points: Annotated[list[Point], Field(min_length=1, max_length=2000)]


class ScanGroup(Part):
    """Channels that are read together, from one device, at successive instants.

    Of a bus that sends by itself the period is how often a scan is expected.
    """

    id: Key
    period_s: Positive
    bus: Key
    device_id: Annotated[int, Field(ge=0, le=255)] | None = None  # The Modbus unit.
    profile: Key | None = None  # The device's register map: the site's own, or a shipped one.
    message: Message | None = None  # What an MQTT device publishes.
    file: FileOfGroup | None = None  # Which files of a watched folder, and how they are written.
    channels: Annotated[list[Channel], Field(min_length=1, max_length=128)]


class CalculatedGroup(Part):
    """Calculated channels that share a period."""

    id: Key
    period_s: Positive
    channels: Annotated[list[CalculatedChannel], Field(min_length=1, max_length=128)]


MODBUS_KINDS: Final = ("modbus_tcp", "modbus_rtu", "modbus_rtu_over_tcp")
BUS_KINDS: Final = (*MODBUS_KINDS, "mqtt", "folder", "gateway")


class Bus(Part):
    """A line to devices, or another way in which their numbers come; of exactly one kind."""

    id: Key
    edge: Key  # The edge agent that reads it, or the name of the gateway that sends.
    modbus_tcp: ModbusTcp | None = None
    modbus_rtu: ModbusRtu | None = None
    modbus_rtu_over_tcp: ModbusRtuOverTcp | None = None
    mqtt: Mqtt | None = None
    folder: Folder | None = None
    gateway: Gateway | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are given; in a checked site there is exactly one."""
        return tuple(kind for kind in BUS_KINDS if getattr(self, kind) is not None)

    @property
    def kind(self) -> str:
        """Which kind of bus this is."""
        (kind,) = self.kinds
        return kind

    @property
    def modbus(self) -> ModbusTcp | ModbusRtuOverTcp | ModbusRtu:
        """How to reach the devices of a Modbus bus."""
        address = self.modbus_tcp or self.modbus_rtu or self.modbus_rtu_over_tcp
        assert address is not None
        return address


class EventSource(Part):
    """Whoever tells of discrete happenings: a microseismic network, a blast log, a form."""

    id: Key  # Unique in the whole site, among scan groups too.
    name: Name | None = None
    kind: EventKind
    bus: Key  # An MQTT bus.
    message: JsonMessage  # Its `time` is when the event happened.
    fields: EventFields
    convention: SeismicConvention | None = None
    # A source that told of no event for longer may be dead: nothing is called quiet then.
    silent_after_h: Positive = 24.0
    judge_every_s: Annotated[float, Field(ge=10, le=86_400)] = 300.0  # Of event time.
    detectors: Annotated[list[EventDetector], Field(max_length=16)] = Field(default_factory=list)


class Station(Part):
    """A place with a logger or an edge box; it belongs to one edge at a time."""

    id: Key
    name: Name
    instruments: list[Instrument] = Field(default_factory=list)
    scan_groups: list[ScanGroup] = Field(default_factory=list)
    calculated_groups: list[CalculatedGroup] = Field(default_factory=list)
    event_sources: list[EventSource] = Field(default_factory=list)


class Structure(Part):
    """What is watched: a dam, a slope, a mine, a fan house."""

    id: Key
    kind: StructureKind
    name: Name
    stations: Annotated[list[Station], Field(min_length=1)]
    voting: Voting | None = None


class Site(Part):
    """A whole site file."""

    site: Key
    name: Name
    time_zone: str  # IANA name; for showing only, everything is stored in UTC.
    began_at: datetime  # Nothing can have been measured before.
    technical_level: LevelName = "yellow"
    profiles: list[Profile] = Field(default_factory=list)
    templates: list[AnyTemplate] = Field(default_factory=list)
    buses: list[Bus] = Field(default_factory=list)
    sounders: Annotated[list[Sounder], Field(max_length=64)] = Field(default_factory=list)
    structures: Annotated[list[Structure], Field(min_length=1)]
