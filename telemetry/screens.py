"""The site file's words for screens: what a channel's reading must not be, to be believed."""

from typing import Annotated

from pydantic import Field

from telemetry.part import Part, Positive


class SpikeScreen(Part):
    """A leap faster than the ground can move is not believed, unless what follows stays there."""

    most_per_hour: Positive  # In the channel's unit.
    believed_after: Annotated[int, Field(ge=2, le=20)] = 3  # Readings in a row.


class OutlierScreen(Part):
    """A reading far from the median of those just before is not believed (Hampel 1974)."""

    readings: Annotated[int, Field(ge=5, le=15)] = 9
    sigmas: Positive = 3.0
    believed_after: Annotated[int, Field(ge=2, le=20)] = 3


class FrozenScreen(Part):
    """The same value for so long is the instrument's fault, and no longer the ground's word."""

    after_s: Positive


class Screens(Part):
    """Screens of a channel; each that is left out is not asked."""

    spike: SpikeScreen | None = None
    outlier: OutlierScreen | None = None
    frozen: FrozenScreen | None = None
