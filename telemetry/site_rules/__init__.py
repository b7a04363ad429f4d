"""What must hold between the parts of a site file, when each part by itself is right.

Every rule is a function from a site to findings, and all of them are always asked: a person
who mends a file wants to see everything at once.
"""

from collections.abc import Iterator

from telemetry.site import Site
from telemetry.site_rules.calculations import calculation_findings
from telemetry.site_rules.channels import channel_findings
from telemetry.site_rules.conversions import conversion_findings
from telemetry.site_rules.devices import device_findings
from telemetry.site_rules.event_sources import event_source_findings
from telemetry.site_rules.identities import identity_findings
from telemetry.site_rules.limits import limit_findings
from telemetry.site_rules.messages import message_findings
from telemetry.site_rules.places import Finding
from telemetry.site_rules.sounders import sounder_findings
from telemetry.site_rules.sources import source_findings
from telemetry.site_rules.trends import trend_findings
from telemetry.site_rules.votes import vote_findings

__all__ = ["Finding", "findings"]


def findings(site: Site) -> Iterator[Finding]:
    """Ask all rules about a site whose parts are right one by one."""
    yield from identity_findings(site)
    yield from source_findings(site)
    yield from message_findings(site)
    yield from event_source_findings(site)
    yield from device_findings(site)
    yield from sounder_findings(site)
    yield from channel_findings(site)
    yield from conversion_findings(site)
    yield from limit_findings(site)
    yield from trend_findings(site)
    yield from calculation_findings(site)
    yield from vote_findings(site)
