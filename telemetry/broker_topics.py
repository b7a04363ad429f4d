"""The topics of Groundwatch at a broker, and what may be said on each.

| topic                                     | from    | to      | holds                            |
|-------------------------------------------|---------|---------|----------------------------------|
| `groundwatch/v1/SITE/EDGE/up/SESSION`     | edge    | centre  | sealed frames                    |
| `groundwatch/v1/SITE/EDGE/down/SESSION`   | centre  | edge    | sealed frames                    |
| `groundwatch/v1/SITE/GATEWAY/readings`    | gateway | centre  | JSON (`telemetry.submission`)    |
| `groundwatch/v1/SITE/GATEWAY/answers`     | centre  | gateway | JSON: what became of it          |
"""

import re
from typing import Final

from telemetry.sealing import Session

PREFIX: Final = "groundwatch/v1"
_UP: Final = re.compile(
    r"groundwatch/v1/([a-z0-9][a-z0-9_-]{0,62})/([a-z0-9][a-z0-9_-]{0,62})/up/([0-9a-f]{32})"
)
_READINGS: Final = re.compile(
    r"groundwatch/v1/([a-z0-9][a-z0-9_-]{0,62})/([a-z0-9][a-z0-9_-]{0,62})/readings"
)


def up_topic(session: Session) -> str:
    """Name the topic on which an edge talks."""
    return f"{PREFIX}/{session.site}/{session.edge}/up/{session.name}"


def down_topic(session: Session) -> str:
    """Name the topic on which the centre answers."""
    return f"{PREFIX}/{session.site}/{session.edge}/down/{session.name}"


def every_up_topic(site: str) -> str:
    """Name what the centre of a site listens to."""
    return f"{PREFIX}/{site}/+/up/+"


def session_of(topic: str) -> Session | None:
    """Read whose topic it is; None when it is no edge's.

    >>> session_of("groundwatch/v1/mine/dam-edge/up/" + 32 * "0").edge
    'dam-edge'
    """
    found = _UP.fullmatch(topic)
    return None if found is None else Session(*found.groups())


def every_readings_topic(site: str) -> str:
    """Name where gateways of a site send readings."""
    return f"{PREFIX}/{site}/+/readings"


def answers_topic(site: str, gateway: str) -> str:
    """Name where a gateway is answered."""
    return f"{PREFIX}/{site}/{gateway}/answers"


def gateway_of(topic: str) -> tuple[str, str] | None:
    """Read site and gateway in a topic of readings; None when it is none.

    >>> gateway_of("groundwatch/v1/mine/hill-box/readings")
    ('mine', 'hill-box')
    """
    found = _READINGS.fullmatch(topic)
    return None if found is None else (found[1], found[2])
