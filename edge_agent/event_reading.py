"""Reads the JSON messages of one source of events."""

from edge_agent.message_reading import Message, Reading, WithoutMemory
from telemetry.event_message import EventDecoder
from telemetry.json_message import MessageError
from telemetry.plan import EventSourcePlan


class EventReader(WithoutMemory):
    """Events are of the instants that they name, so it matters not when and how often they come.

    What the broker kept for us (`retained`) is taken too: the centre knows an event that it has.
    """

    def __init__(self, site: str, plan: EventSourcePlan) -> None:
        self._decoder = EventDecoder(site, plan)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topic of the source."""
        return (self._decoder.message.topic,)

    def read(self, message: Message, now_s: float) -> Reading:  # noqa: ARG002
        """Read a message."""
        try:
            found = self._decoder.decode(message.topic, message.payload)
        except MessageError as error:
            return Reading(complaints=(str(error),))
        return Reading(events=found.blocks, complaints=found.complaints)
