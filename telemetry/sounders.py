"""The site file's words for sounders: sirens and lamps that an edge drives by itself.

A sounder is a coil of a Modbus unit. It sounds while an alarm of one of its structures stands at
its level or above, as far as the edge that drives it can tell from what it reads itself: with no
line to the centre, and for the same reasons as there. Nothing else in the field is written to.
"""

from typing import Annotated, Literal

from pydantic import Field

from telemetry.part import Key, Name, Part
from telemetry.register import Register


class Sounder(Part):
    """A siren, a lamp, or the relay of one."""

    id: Key  # Unique in the whole site, among sources of events too.
    name: Name | None = None
    bus: Key  # A Modbus bus; its edge drives the sounder.
    device_id: Annotated[int, Field(ge=0, le=255)]  # The Modbus unit.
    coil: Register  # On is sounding.
    # Where the unit says whether it really sounds; None: the coil is asked itself.
    read_back: Register | None = None
    structures: Annotated[list[Key], Field(min_length=1, max_length=32)]
    from_level: Literal["blue", "yellow", "orange", "red"]
