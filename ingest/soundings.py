"""What edges tell of their sounders, as happenings: one that does not obey is a technical alarm."""

from collections.abc import Iterator
from typing import Final

from alarms.transition import Happening, Phase
from ingest.event_judging import JudgedEvents
from telemetry.plan import SounderPlan

SOUNDER_FAILED: Final = "sounder_failed"
_PHASES: Final = {"failed": Phase.BEGINS, "ready": Phase.ENDS}


def sounder_happenings(judged: JudgedEvents, received_us: int) -> Iterator[Happening]:
    """Say which sounders failed, and which obey again; in the order in which it was told."""
    source, block = judged.source, judged.block
    if not isinstance(source, SounderPlan):
        return
    columns = dict(zip(block.text_names, block.texts, strict=True))
    nothing = ("",) * len(block)
    told = zip(
        columns.get("what", nothing),
        columns.get("reason", nothing),
        block.sampled_us.tolist(),
        judged.wild.tolist(),
        strict=True,
    )
    for what, reason, at_us, wild in told:
        if what in _PHASES:
            yield Happening(
                subject=source.key,
                rule=SOUNDER_FAILED,
                structure=source.structure.id,
                at_us=received_us if wild else at_us,
                detail={"edge": source.edge, "reason": reason} if reason else {"edge": source.edge},
                phase=_PHASES[what],
            )
