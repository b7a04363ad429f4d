"""What a gateway sends, and what it is answered."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from api.views import Input, View
from telemetry.submission import CONTRADICTIONS_MAX, ITEMS_MAX, VALUES_MAX

Number = float | None  # None: there is no value.


class ScanInput(Input):
    """Channels of one scan group that were read at one instant."""

    group: str
    time: AwareDatetime
    values: Annotated[
        dict[str, Number],
        Field(min_length=1, max_length=VALUES_MAX, description="Raw numbers by channel id."),
    ]


class ReadingInput(Input):
    """One channel at one instant."""

    channel: str
    time: AwareDatetime
    value: Annotated[Number, Field(description="The raw number, before conversion.")]


class ScansInput(Input):
    """Readings by scan group: what is told together is judged together."""

    site: str
    scans: Annotated[list[ScanInput], Field(min_length=1, max_length=ITEMS_MAX)]
    partial: bool = False


class ReadingsInput(Input):
    """Readings one by one; those of one group and instant become one scan."""

    site: str
    readings: Annotated[
        list[ReadingInput],
        Field(
            min_length=1,
            max_length=ITEMS_MAX,
            description=f"At most {CONTRADICTIONS_MAX} different numbers for one instant.",
        ),
    ]
    partial: bool = False


class RefusedItemView(View):
    """An item that was left out, because `partial` asked for it."""

    place: str
    message: str


class QuarantinedView(View):
    """Scans that could not be stored as they are."""

    scans: int
    reason: str
    message: str


class SubmissionView(View):
    """What became of the scans; all of it is committed."""

    stored: int
    duplicates: int
    merged: int
    conflicts: int
    late: int  # Of these: not after the newest of their group, so not judged as now.
    quarantined: list[QuarantinedView]
    refused: list[RefusedItemView]  # The first of them.
    refused_count: int
