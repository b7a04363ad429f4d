"""What goes in and out of the API, exactly: unknown fields are refused on the way in."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from alarms.transition import AlarmKind, AlarmState, Change
from api.freshness import Freshness
from telemetry.site import LevelName, Name, StructureKind

POINTS_MIN, POINTS_MAX, POINTS_DEFAULT = 2, 5000, 1000
PAGE_ENTRIES_MAX, PAGE_ENTRIES_DEFAULT = 1000, 200

LevelWord = Literal["none", "blue", "yellow", "orange", "red"]


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("no database stores the character NUL")
    return text


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("the instant lies outside the years 1 to 9999") from None


STORABLE = AfterValidator(_storable)
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), STORABLE]
Person = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE
]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=400), STORABLE]
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
JournalNumber = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Input(BaseModel):
    """Everything that comes in."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class View(BaseModel):
    """Everything that goes out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorBody(View):
    """What was wrong: a code for programs, a sentence for people."""

    code: str
    message: str


class ErrorView(View):
    """Every refusal and failure."""

    error: ErrorBody


class ClockView(View):
    """What time the centre goes by."""

    now_at: datetime
    rate: float  # Clock seconds per real second: 1 except in demonstrations.


class StructureView(View):
    """A structure, and how it stands."""

    structure: str
    kind: StructureKind
    name: Name
    worst_level: LevelWord  # Of its process alarms that stand.
    unacknowledged: int  # Alarms of either kind that wait for an operator.
    active: int  # Alarms of either kind whose cause stands.
    freshness: Freshness
    newest_at: datetime | None


class SiteView(View):
    """A site with its structures."""

    site: str
    name: Name
    time_zone: str
    worst_level: LevelWord
    unacknowledged: int
    structures: list[StructureView]


class ConfirmationView(View):
    """A level counts when so many of the last readings violate it."""

    at_least: int
    of_last: int


class LimitView(View):
    """The bounds of one rule."""

    rule: str
    direction: Literal["high", "low"]
    levels: dict[LevelName, float]
    deadband: float
    on_delay_s: float
    off_delay_s: float
    source: str
    window_s: float | None = None  # Of a limit on the rate of change, which is per hour.
    confirm: ConfirmationView | None = None
    # Of a control chart, whose levels and deadband are multiples of its sigma.
    method: Literal["ewma", "cusum", "page_hinkley"] | None = None
    mean: float | None = None  # None: learned from the first readings, or the mean so far.
    sigma: float | None = None  # The same; in the channel's unit.


class StateView(View):
    """A named state of a discrete channel."""

    name: Name
    level: LevelName | None


class InstrumentView(View):
    """The device that measures a channel."""

    instrument: str
    name: Name | None
    type: str
    serial: str | None


class ChannelView(View):
    """A channel as the site file describes it."""

    channel: str
    name: Name | None
    quantity: str
    quantity_name: Name
    unit: str
    structure: str
    station: str
    station_name: Name
    group: str
    instrument: InstrumentView | None
    period_s: float
    calculated: bool
    resolution: float | None
    range: tuple[float, float] | None
    limits: list[LimitView]
    rate_limits: list[LimitView]
    charts: list[LimitView]
    states: dict[str, StateView] | None


class LatestView(View):
    """The newest reading of a channel."""

    channel: str
    sampled_at: datetime | None
    value: float | None
    raw: float | None
    quality: int
    quality_reason: str
    freshness: Freshness
    level: int  # Worst level of its process alarms that stand: 0 none to 4 red.
    # Kinds of its rules that have seen too little to judge yet: rate, ewma, cusum, page_hinkley.
    warming_up: list[str]


class HistoryView(View):
    """Readings of a channel over a span, as columns; null breaks the line."""

    model_config = ConfigDict(populate_by_name=True)

    channel: str
    unit: str
    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    time_us: list[int]
    value: list[float | None]
    quality: list[int]


class LocalSoundingView(View):
    """What an edge did with a sounder because of an alarm, by itself."""

    sounder: str
    what: Literal["on", "off"]
    at: datetime


class AlarmView(View):
    """An alarm as it stands now."""

    site: str
    occurrence: str
    kind: AlarmKind
    structure: str | None
    channel: str
    channel_name: Name | None
    rule: str
    state: AlarmState
    level: LevelWord  # none once its cause has ended.
    worst_level: LevelWord
    raised_at: datetime
    changed_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    comment: str | None
    evidence: dict[str, Any]
    number: int
    freshness: Freshness
    sounded: list[LocalSoundingView]


class AlarmsView(View):
    """Alarms, and the journal's newest number at that moment: the live line goes on from it."""

    alarms: list[AlarmView]
    total: int  # That fit the query; more than are listed when its limit has left some out.
    cursor: dict[str, int]


class EntryView(View):
    """One entry of the journal, with what came after it was stored."""

    number: int
    key: str
    occurrence: str
    change: Change
    kind: AlarmKind
    structure: str | None
    channel: str
    rule: str
    level: LevelWord
    previous_level: LevelWord
    state: AlarmState
    sampled_at: datetime
    stored_at: datetime
    pushed_at: datetime | None
    told_at: datetime | None
    delivered_at: datetime | None
    evidence: dict[str, Any]


class JournalView(View):
    """Entries in order, and the cursor to ask for the next ones with."""

    entries: list[EntryView]
    cursor: int


class VerificationView(View):
    """Whether the journal is as it was written."""

    intact: bool
    entries: int
    broken_at: int | None


class SessionView(View):
    """Who has signed in."""

    scope: str


class SessionInput(Input):
    """Sign in with the one-time code of a link, or with a token."""

    code: ShortText | None = None
    token: ShortText | None = None

    @model_validator(mode="after")
    def _proves_itself_once(self) -> Self:
        if (self.code is None) == (self.token is None):
            raise ValueError("give either a code or a token")
        return self


class AcknowledgementInput(Input):
    """An operator takes responsibility for an alarm."""

    occurrence: ShortText
    person: Person
    comment: Text = ""
    # The alarm's `number` as the person saw it: a rise after it is not answered for unseen.
    number: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None


class HistoryQuery(Input):
    """Which readings, and how many points at most."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    points: Annotated[int, Field(ge=POINTS_MIN, le=POINTS_MAX)] = POINTS_DEFAULT


class StructureQuery(Input):
    """One structure, or all."""

    structure: ShortText | None = None


class AlarmsQuery(Input):
    """Which alarms."""

    state: list[AlarmState] = []
    level: list[LevelName] = []
    kind: AlarmKind | None = None
    structure: ShortText | None = None
    open: bool | None = None  # True: only those that are not normal; False: only those that are.
    limit: Annotated[int, Field(ge=1, le=PAGE_ENTRIES_MAX)] = PAGE_ENTRIES_DEFAULT


class OccurrenceQuery(Input):
    """Which alarm."""

    occurrence: ShortText


class JournalQuery(Input):
    """From where in the journal, and how much."""

    after: JournalNumber = 0
    limit: Annotated[int, Field(ge=1, le=PAGE_ENTRIES_MAX)] = PAGE_ENTRIES_DEFAULT


class EdgeView(View):
    """An edge, as far as the centre knows it; instants are the centre's real time.

    Only `last_block_at` is by the clock of the readings.
    """

    edge: str
    connected: bool
    connected_at: datetime | None
    left_at: datetime | None
    address: str | None
    token_id: str | None  # Of the newest line, or the newest that is valid.
    valid_tokens: int
    enrolled_at: datetime | None
    enrolled_from: str | None
    certificate_serial: str | None
    certificate_ends_at: datetime | None
    last_block_at: datetime | None


class RevokedView(View):
    """What a revocation has ended."""

    tokens: list[str]  # Their ids.
    certificates: list[str]  # Their serial numbers.
