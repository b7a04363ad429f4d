"""What must be right before a centre starts anything: files, addresses, ports."""

import asyncio
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from alarms.notify.destinations import DestinationsError, read_destinations, read_secret
from carriers.broker_settings import BrokerSettingsError, read_broker_settings, read_broker_url
from ingest.encryption import Encryption
from telemetry.clock import real_monotonic_s
from telemetry.site_file import SiteFileError, read_site_file

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORT_FREES_WITHIN_S = 10.0  # Services of a killed centre end by themselves; their ports follow.
SAY_AFTER_S = 1.0


class CentreCannotStartError(Exception):
    """Something stands in the way; the message says what, and the remedy."""


def check_before_anything_starts(
    sites: Sequence[Path],
    *,
    webhooks: Path | None,
    host: str,
    ports: Mapping[str, int],  # By the option that sets them.
    encryptions: Sequence[Encryption],  # Of each port.
    open_without_encryption: bool,
    broker: str | None = None,
    broker_settings: Path | None = None,
) -> None:
    """A wrong file, a taken port or an open door never starts anything half-way."""
    complaints = _about_sites(sites)
    if webhooks is not None:
        complaints += _about_webhooks(webhooks)
    complaints += _about_broker(broker, broker_settings)
    complaints += sorted({one for encryption in encryptions for one in encryption.complaints()})
    if len(set(ports.values())) < len(ports):
        complaints.append(f"{' and '.join(ports)} must differ: each service needs its own port.")
    if complaints:
        raise CentreCannotStartError("\n".join(complaints))
    secured = all(one.credentials is not None for one in encryptions)
    if host not in LOOPBACK and not secured and not open_without_encryption:
        raise CentreCannotStartError(
            f"Listening on {host} would let anyone on the network read what passes.\n"
            "Remedy: give --certificate and --key (`groundwatch ca` makes them), keep to 127.0.0.1 "
            "behind a TLS proxy, or say --open-without-encryption."
        )
    for option, port in ports.items():
        asyncio.run(_wait_for_port(host, port, option))


def _about_sites(sites: Sequence[Path]) -> list[str]:
    complaints: list[str] = []
    keys: dict[str, Path] = {}
    for path in sites:
        try:
            site = read_site_file(path)
        except SiteFileError as error:
            complaints.extend(str(one) for one in error.complaints)
            continue
        if site.site in keys:
            complaints.append(f"{path}: site '{site.site}' is in {keys[site.site]} already.")
        keys[site.site] = path
    return complaints


def _about_webhooks(webhooks: Path) -> list[str]:
    try:
        for webhook in read_destinations(webhooks):
            read_secret(webhook)
    except DestinationsError as error:
        return [str(error)]
    return []


def _about_broker(broker: str | None, settings: Path | None) -> list[str]:
    if broker is None:
        return ["--broker-settings means nothing without --broker."] if settings else []
    try:
        read_broker_url(broker)
        read_broker_settings(settings)
    except BrokerSettingsError as error:
        return [f"--broker: {error}."]
    return []


async def _wait_for_port(host: str, port: int, option: str) -> None:
    """Wait until a port is free: services of a killed centre take a moment to end."""
    began_s = real_monotonic_s()
    said = False
    while (error := _why_not(host, port)) is not None:
        waited_s = real_monotonic_s() - began_s
        if isinstance(error, socket.gaierror) or waited_s > PORT_FREES_WITHIN_S:
            raise CentreCannotStartError(
                f"Port {port} of {host} can't be used ({error.strerror}).\n"
                f"Remedy: stop the program that has it, or choose another with {option}; "
                "--host must be an address of this machine."
            )
        if waited_s > SAY_AFTER_S and not said:
            said = True
            sys.stderr.write(f"Waiting for port {port} of {host} to become free …\n")
        await asyncio.sleep(0.1)


def _why_not(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None
