"""`groundwatch serve`: everything a centre needs, from its database to its three services."""

import asyncio
import json
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from historian.embedded import EmbeddedError, StartGivenUpError
from historian.migration import MigrationError, migrate
from ingest.invitation import invite
from ingest.kept_database import kept_database
from ingest.stopping import done_or_stopped
from ingest.supervisor import Service, supervise
from telemetry.clock import real_monotonic_s
from telemetry.lifetime import CANNOT_START, is_supervised, until_asked_to_stop
from telemetry.site_file import SiteFileError, read_site_file

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORT_FREES_WITHIN_S = 10.0  # Services of a killed centre end by themselves; their ports follow.

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CentreSettings:
    """What an operator of a centre may choose."""

    sites: tuple[Path, ...]
    data: Path  # For the embedded database; unused when `dsn` is given.
    dsn: str | None
    host: str
    api_port: int
    line_port: int
    clock: Path | None
    webhooks: Path | None
    ready_file: Path | None  # Where other programs read how to reach us.
    open_without_encryption: bool


class CentreCannotStartError(Exception):
    """Something stands in the way; the message says what, and the remedy."""


def run_centre(settings: CentreSettings) -> int:
    """Run a centre until SIGTERM or SIGINT; return the exit code."""
    try:
        _check_before_anything_starts(settings)
        return asyncio.run(_run(settings))
    except (CentreCannotStartError, EmbeddedError, MigrationError) as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START


def _check_before_anything_starts(settings: CentreSettings) -> None:
    """A wrong site file, a taken port or an open door never starts anything half-way."""
    complaints: list[str] = []
    keys: dict[str, Path] = {}
    for path in settings.sites:
        try:
            site = read_site_file(path)
        except SiteFileError as error:
            complaints.extend(str(one) for one in error.complaints)
            continue
        if site.site in keys:
            complaints.append(f"{path}: site '{site.site}' is in {keys[site.site]} already.")
        keys[site.site] = path
    if complaints:
        raise CentreCannotStartError("\n".join(complaints))
    if settings.host not in LOOPBACK and not settings.open_without_encryption:
        raise CentreCannotStartError(
            f"Listening on {settings.host} would let anyone on the network read what passes.\n"
            "Remedy: keep to 127.0.0.1 behind a TLS proxy, or say --open-without-encryption."
        )
    for option, port in (("--port", settings.api_port), ("--line-port", settings.line_port)):
        asyncio.run(_wait_for_port(settings.host, port, option))


async def _wait_for_port(host: str, port: int, option: str) -> None:
    """Wait until a port is free: services of a killed centre take a moment to end."""
    until_s = real_monotonic_s() + PORT_FREES_WITHIN_S
    while (error := _why_taken(host, port)) is not None:
        if real_monotonic_s() > until_s:
            raise CentreCannotStartError(
                f"Port {port} of {host} can't be used ({error}).\n"
                f"Remedy: stop the program that has it, or choose another with {option}."
            )
        await asyncio.sleep(0.1)


def _why_taken(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


async def _run(settings: CentreSettings) -> int:
    stop = asyncio.Event()
    asked = asyncio.create_task(until_asked_to_stop(is_supervised()))
    asked.add_done_callback(lambda _: stop.set())
    await asyncio.sleep(0)  # Now signals are caught, and nothing that we start is left behind.
    try:
        if settings.dsn:
            return await _serve(settings, settings.dsn, stop)
        async with kept_database(settings.data, stop) as dsn:
            return await _serve(settings, dsn, stop)
    except StartGivenUpError:
        return 0
    finally:
        asked.cancel()


async def _serve(settings: CentreSettings, dsn: str, stop: asyncio.Event) -> int:
    preparing = asyncio.create_task(_prepare(settings, dsn))
    if not await done_or_stopped(preparing, stop):
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)
        return 0
    await preparing
    return await supervise(_services(settings, dsn), stop)


async def _prepare(settings: CentreSettings, dsn: str) -> None:
    applied = await migrate(dsn)
    if applied:
        log.info("schema brought up to date", applied=applied)
    link = await invite(dsn, f"http://{settings.host}:{settings.api_port}")
    if settings.ready_file is not None:
        _write_ready_file(settings, dsn, link)


def _write_ready_file(settings: CentreSettings, dsn: str, link: str) -> None:
    assert settings.ready_file is not None
    document = {
        "dsn": dsn,
        "api": f"http://{settings.host}:{settings.api_port}",
        "line": f"ws://{settings.host}:{settings.line_port}",
        "sign_in": link,
    }
    draft = settings.ready_file.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(settings.ready_file)


def _services(settings: CentreSettings, dsn: str) -> Sequence[Service]:
    secret = {"GROUNDWATCH_DSN": dsn}
    common: list[str] = []
    if settings.clock is not None:
        common += ["--clock", str(settings.clock)]
    webhooks = ["--webhooks", str(settings.webhooks)] if settings.webhooks else []
    sites = [argument for path in settings.sites for argument in ("--site", str(path))]
    listen = ["--host", settings.host]
    ingest = ("ingest", *sites, *listen, "--line-port", str(settings.line_port), *webhooks, *common)
    services = [
        Service("ingest", ingest, secret),
        Service("api", ("api", *listen, "--port", str(settings.api_port), *common), secret),
    ]
    if settings.webhooks:
        services.append(Service("notify", ("notify", *webhooks, *common), secret))
    return services
