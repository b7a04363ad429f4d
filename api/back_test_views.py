"""What goes in and out about back-tests."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from api.views import STORABLE, Input, Instant, View
from historian.back_tests import BackTestRow, State

FILE_CHARACTERS_MAX = 4 << 20  # No site file may be larger.
DAY_S = 86_400.0

FileText = Annotated[str, StringConstraints(min_length=1, max_length=FILE_CHARACTERS_MAX), STORABLE]


class BackTestInput(Input):
    """What is to be tested, as for `groundwatch backtest`."""

    from_: Annotated[Instant, Field(alias="from")]
    to: Instant
    site_file: FileText | None = None  # Tested instead of the one in force.
    against: FileText | None = None
    events: FileText | None = None  # CSV.
    order: Literal["recorded", "event-time"] | None = None
    horizon_s: Annotated[float, Field(gt=0, le=365 * DAY_S)] = DAY_S
    chatter_raises: Annotated[int, Field(ge=2, le=1_000)] = 3
    chatter_window_s: Annotated[float, Field(gt=0, le=365 * DAY_S)] = 60.0

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError("the span is empty: 'from' must lie before 'to'")
        if self.order == "recorded" and self.against is not None:
            raise ValueError(
                "two configurations can be compared only where both are judged by event time: "
                "leave 'order' out"
            )
        return self

    def files(self) -> dict[str, str]:
        """The texts that came along, by name."""
        texts = {"site_file": self.site_file, "against": self.against, "events": self.events}
        return {name: text for name, text in texts.items() if text is not None}

    def request(self) -> dict[str, Any]:
        """The rest of it, and which files came along."""
        return {
            "from": self.from_.isoformat(),
            "to": self.to.isoformat(),
            "order": self.order,
            "horizon_s": self.horizon_s,
            "chatter_raises": self.chatter_raises,
            "chatter_window_s": self.chatter_window_s,
            "files": sorted(self.files()),
        }


class BackTestView(View):
    """A back-test as it stands; instants but `from` and `to` are real time."""

    id: int
    state: State
    asked_at: datetime
    asked_by: str
    begun_at: datetime | None
    ended_at: datetime | None
    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    order: Literal["recorded", "event-time"] | None  # As asked for.
    files: list[str]  # That came along.
    doing: str | None  # While it runs.
    progress: float  # 0 to 1, of what is being done.
    reason: str | None  # Why it failed.
    has_page: bool


class BackTestReportView(BackTestView):
    """A back-test with what it found, as `groundwatch backtest --json` prints it."""

    report: dict[str, Any] | None


def back_test_view(row: BackTestRow) -> BackTestView:
    """Show a back-test."""
    return BackTestView(**_fields(row))


def report_view(row: BackTestRow, report: dict[str, Any] | None) -> BackTestReportView:
    """Show a back-test with its report."""
    return BackTestReportView(**_fields(row), report=report)


def _fields(row: BackTestRow) -> dict[str, Any]:
    request = row.request
    return {
        "id": row.back_test_id,
        "state": row.state,
        "asked_at": row.asked_at,
        "asked_by": row.asked_by,
        "begun_at": row.begun_at,
        "ended_at": row.ended_at,
        "from": request["from"],
        "to": request["to"],
        "order": request["order"],
        "files": request["files"],
        "doing": row.doing,
        "progress": row.progress,
        "reason": row.reason,
        "has_page": row.has_page,
    }
