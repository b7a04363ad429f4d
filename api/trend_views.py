"""Slow rules in the API's words."""

from datetime import datetime
from typing import Literal

from api.views import View
from telemetry.site import LevelName


class TrendView(View):
    """A slow rule, and what it says now."""

    channel: str
    rule: str
    method: str
    direction: Literal["high", "low"]
    levels: dict[LevelName, float]  # In `unit`, like deadband and figure.
    deadband: float
    unit: str
    window_s: float | None
    bin_s: float
    source: str
    asked_at: datetime | None  # The end of the newest bin; None: it has not been asked yet.
    figure: float | None  # None: too little is known. That is not normal, but unknown.
    level: int  # That it believes in: 0 none to 4 red.


class TrendsView(View):
    """The slow rules of a site, in the order of its file."""

    trends: list[TrendView]
