"""The site file's words for events: where a message says what, and by which conventions.

Figures of different conventions can't be compared (docs/detectors/seismicity.md): the
factor 2 between two printed forms of the apparent volume is one that nobody sees in a number.
"""

from typing import Annotated, Literal

from pydantic import Field

from telemetry.event import NUMBERS_MAX, TEXTS_MAX
from telemetry.part import Key, Part, Positive, Sentence
from telemetry.sources import FieldName


class PlaceFields(Part):
    """The fields of an event's place, in metres of the site's own coordinates."""

    east_m: FieldName
    north_m: FieldName
    elevation_m: FieldName | None = None


class EventFields(Part):
    """What stands where in a message about an event."""

    id: FieldName  # The same id again is the same event, corrected or repeated.
    place: PlaceFields | None = None
    # By the names that detectors and people use: magnitude, energy_j, moment_nm, ...
    numbers: Annotated[dict[Key, FieldName], Field(max_length=NUMBERS_MAX)] = Field(
        default_factory=dict
    )
    texts: Annotated[dict[Key, FieldName], Field(max_length=TEXTS_MAX)] = Field(
        default_factory=dict
    )


class SeismicConvention(Part):
    """By which conventions a network's numbers are made, and made use of."""

    magnitude_scale: Sentence  # As the network's manual names it: local, moment, ...
    magnitude_step: Positive = 0.1  # That magnitudes are rounded to.
    rigidity_pa: Positive  # Of the rock, for the apparent volume.
    # M0²/(2·mu·E) as in Mendecki 1997, or M0²/(mu·E) as others print it: twice as much.
    apparent_volume: Literal["m0_squared_over_2_mu_e", "m0_squared_over_mu_e"]
    source: Sentence  # Where this stands: the network's report, a calibration.
