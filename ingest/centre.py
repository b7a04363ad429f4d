"""`groundwatch serve`: everything a centre needs, from its database to its three services."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from historian.embedded import EmbeddedError, StartGivenUpError
from historian.migration import MigrationError, migrate
from ingest.centre_checks import CentreCannotStartError, check_before_anything_starts
from ingest.encryption import Encryption
from ingest.invitation import invite
from ingest.kept_database import kept_database
from ingest.stopping import done_or_stopped
from ingest.supervisor import Service, supervise
from telemetry.lifetime import CANNOT_START, is_supervised, until_asked_to_stop
from telemetry.tls import read_certificates

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - what a user may have asked for

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
    open_metrics: bool = False
    broker: str | None = None  # Over which edges and gateways may deliver too.
    broker_settings: Path | None = None
    origins: tuple[str, ...] = ()  # Addresses of the page behind a proxy or a tunnel.
    line: Encryption = field(default_factory=Encryption)
    page: Encryption = field(default_factory=Encryption)

    @property
    def address(self) -> str:
        """Where the API is reached: by a name that its certificate has, if it has one."""
        scheme = "http" if self.page.credentials is None else "https"
        return f"{scheme}://{_called(self.host, self.page)}:{self.api_port}"

    @property
    def line_address(self) -> str:
        """Where edges reach ingest."""
        scheme = "ws" if self.line.credentials is None else "wss"
        return f"{scheme}://{_called(self.host, self.line)}:{self.line_port}"


def _called(host: str, encryption: Encryption) -> str:
    """Say by which name a port is called; that of its certificate is the one that is believed."""
    called = "127.0.0.1" if host in EVERY_ADDRESS else host
    if encryption.credentials is not None:
        hosts = read_certificates(encryption.credentials.certificate)[0].hosts
        named = [one for one in hosts if "*" not in one]
        if called not in named:
            called = next(iter(named), called)
    return f"[{called}]" if ":" in called else called


def run_centre(settings: CentreSettings) -> int:
    """Run a centre until SIGTERM or SIGINT; return the exit code."""
    try:
        check_before_anything_starts(
            settings.sites,
            webhooks=settings.webhooks,
            broker=settings.broker,
            broker_settings=settings.broker_settings,
            host=settings.host,
            ports={"--port": settings.api_port, "--line-port": settings.line_port},
            encryptions=(settings.line, settings.page),
            open_without_encryption=settings.open_without_encryption,
        )
        return asyncio.run(_run(settings))
    except (CentreCannotStartError, EmbeddedError, MigrationError) as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START


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
    link = await invite(dsn, settings.origins[0] if settings.origins else settings.address)
    if settings.ready_file is not None:
        _write_ready_file(settings, dsn, link)


def _write_ready_file(settings: CentreSettings, dsn: str, link: str) -> None:
    assert settings.ready_file is not None
    document = {
        "dsn": dsn,
        "api": settings.address,
        "line": settings.line_address,
        "sign_in": link,
    }
    draft = settings.ready_file.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(settings.ready_file)


def _services(settings: CentreSettings, dsn: str) -> Sequence[Service]:
    secret = {"GROUNDWATCH_DSN": dsn}
    clock = [] if settings.clock is None else ["--clock", str(settings.clock)]
    common = [*clock, *(["--open-metrics"] if settings.open_metrics else [])]
    webhooks = ["--webhooks", str(settings.webhooks)] if settings.webhooks else []
    sites = [argument for path in settings.sites for argument in ("--site", str(path))]
    listen = ["--host", settings.host]
    broker = ["--broker", settings.broker] if settings.broker else []
    if settings.broker_settings:
        broker += ["--broker-settings", str(settings.broker_settings)]
    more = [*webhooks, *broker, *common]
    line = ("--line-port", str(settings.line_port), *settings.line.arguments())
    ingest = ("ingest", *sites, *listen, *line, *more)
    api = ("api", *listen, "--port", str(settings.api_port), *settings.page.arguments())
    origins = [argument for one in settings.origins for argument in ("--origin", one)]
    services = [
        Service("ingest", ingest, secret),
        Service("api", (*api, *origins, *common), secret),
    ]
    if settings.webhooks:
        services.append(Service("notify", ("notify", *webhooks, *clock), secret))
    return services
