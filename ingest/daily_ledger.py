"""The daily statement of a site, read from the store and signed."""

import asyncio
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from historian.connection import connect
from historian.daily_statement import Statement, as_json, as_text, day_of, state
from historian.ledger import read_day
from historian.registry import newest_configurations
from ingest.statement_signing import fingerprint_of, key_in, sign
from telemetry.clock import MachineClock
from telemetry.plan import plan_of
from telemetry.site_file import read_site_text


class NoSuchSiteError(Exception):
    """The database knows no such site; the message names those that it knows."""


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement with its signature, as it is printed."""

    text: str
    fingerprint: str
    key_is_new: bool


def signed_statement(
    dsn: str, site: str, day: date, key_file: Path, *, in_json: bool
) -> SignedStatement:
    """State a day and sign it; a key is made where there is none."""
    said = asyncio.run(_read(dsn, site, day))
    key, is_new = key_in(key_file)
    fingerprint = fingerprint_of(key.public_key().public_bytes_raw())
    return SignedStatement(sign(_written(said, in_json=in_json), key), fingerprint, is_new)


def _written(said: Statement, *, in_json: bool) -> str:
    return f"{as_json(said)}\n" if in_json else as_text(said)


async def _read(dsn: str, site: str, day: date) -> Statement:
    async with await connect(dsn, name="ledger", autocommit=True) as conn:
        known = {key: (id_, text) for id_, key, _, text in await newest_configurations(conn)}
        if site not in known:
            raise NoSuchSiteError(
                f"The database knows no site '{site}', but {', '.join(known) or 'none'}."
            )
        site_id, text = known[site]
        plan = plan_of(read_site_text(text, f"the stored site file of {site}"))
        span = day_of(site, day, plan.site.time_zone)
        records = await read_day(conn, site_id, span.from_us, span.to_us)
    return state(span, records, plan.structures_by_edge, MachineClock().now_us())
