"""A site's daily ledger in the API's words; numbers of blocks unless they say otherwise."""

import datetime as dt
from typing import Literal

from pydantic import Field

from api.views import View


class StreamDayView(View):
    """What the store holds of one stream's day."""

    stream_id: int
    edge: str
    epoch: str
    kind: Literal["edge", "gateway", "import"]
    blocks: int  # With scans of the day.
    scans: int
    given_out: int  # The highest number that the stream is known to have given out.
    is_heard: bool  # Since the day ended.


class GapView(View):
    """Numbers that never came; on each day on which they may have been taken."""

    stream_id: int
    edge: str
    is_lost: bool  # Declared lost by the edge; else missing until it comes.
    first: int
    last: int
    reason: str  # Empty: none is recorded.


class KeptBlockView(View):
    """A block in quarantine that was received on the day."""

    number: int
    edge: str
    stream_id: int | None
    seq: int | None
    reason: str
    counts: bool  # It took a number of its own, and no scan of the day is of it.


class ChannelDayView(View):
    """How many readings of a channel are stored, by what they are worth."""

    channel: str
    scan_group: str
    calculated: bool
    period_s: float
    expected: int | None  # By the schedule in force, so far; None: it is calculated.
    good: int
    uncertain: int
    bad: int
    unread: int


class LedgerView(View):
    """What is known of a site's day: taken = stored + missing + declared_lost + in_quarantine."""

    format: str
    site: str
    day: dt.date
    time_zone: str
    from_: dt.datetime = Field(alias="from")
    to: dt.datetime
    made_at: dt.datetime
    open: bool  # The day is not over.
    whole: bool  # Over, every edge has spoken since, and all that was taken is stored.
    unheard_edges: list[str]
    taken: int
    stored: int
    missing: int
    declared_lost: int
    in_quarantine: int
    scans_stored: int
    conflicts: int
    streams: list[StreamDayView]
    gaps: list[GapView]
    quarantine: list[KeptBlockView]
    channels: list[ChannelDayView]
