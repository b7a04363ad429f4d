"""`groundwatch suggest`: proposals from quiet history, as a diff that a person may apply."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from psycopg import AsyncConnection

from alarms.backtest.history import StoredHistory, TooDenseError
from alarms.backtest.progress import Progress, ShownProgress
from alarms.backtest.running import BackTestRefusedError, known_site, reading_snapshot
from alarms.suggestion.gathering import Thinned, gathered
from alarms.suggestion.proposal import Proposal, propose
from alarms.suggestion.quiet import History, NotQuietError, Quiet, quiet_in
from alarms.suggestion.site_edit import SiteEditError, diff_of, edited
from historian.registry import groups_known
from telemetry.clock import instant_at
from telemetry.plan import ChannelPlan, GroupPlan, SitePlan, plan_of
from telemetry.site_file import SiteFileError, read_site_text, text_of_site_file

REFUSED: Final = 2


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """What proposals are asked for."""

    site: Path
    dsn: str
    from_us: int
    to_us: int
    channels: tuple[str, ...] = ()  # None named: all measured ones.


@dataclass(frozen=True, slots=True, eq=False)
class Suggestions:
    """What is proposed, and what it rests on."""

    diff: str
    told: list[str] = field(default_factory=list)  # A line a channel.
    refused: int = 0


def run_suggest(request: SuggestRequest) -> int:
    """Print a diff with what it rests on; return the exit code: 1 where nothing can be proposed."""
    try:
        with ShownProgress() as progress:
            found = asyncio.run(suggest(request, progress))
    except OSError as error:
        sys.stderr.write(f"{error.filename or request.site} cannot be read: {error.strerror}\n")
        return REFUSED
    except (BackTestRefusedError, SiteFileError, SiteEditError, TooDenseError) as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    sys.stdout.write("".join(f"# {line}\n" for line in found.told) + found.diff)
    if not found.diff:
        sys.stderr.write("Nothing is proposed.\n")
    return 1 if found.refused == len(found.told) else 0


async def suggest(request: SuggestRequest, progress: Progress) -> Suggestions:
    """Look at quiet history, and propose changes of the site file."""
    if request.from_us >= request.to_us:
        raise BackTestRefusedError("The span is empty: --from must lie before --to.")
    text = text_of_site_file(request.site)
    plan = plan_of(read_site_text(text, str(request.site)))
    chosen = _chosen(plan, request)
    groups = sorted({one.group for one in chosen})
    proposals: list[Proposal] = []
    told: list[str] = []
    refused = 0
    async with reading_snapshot(request.dsn) as connection:
        site_id = await known_site(connection, plan)
        known = await groups_known(connection, site_id)
        done = progress.begin("looking at quiet history", len(groups))
        for index in groups:
            group = plan.groups[index]
            thinned = await _of_group(connection, site_id, plan, group, known, request)
            for one in [one for one in chosen if one.group == index]:
                proposal, line = _of_channel(one, group, thinned)
                told.append(line)
                if proposal is None:
                    refused += 1
                elif not proposal.is_empty:
                    proposals.append(proposal)
            done(1)
    after = edited(text, proposals)
    read_site_text(after, f"{request.site} with what is proposed")
    return Suggestions(diff_of(text, after, str(request.site)), told, refused)


def _chosen(plan: SitePlan, request: SuggestRequest) -> list[ChannelPlan]:
    unknown = [one for one in request.channels if one not in plan.channel_by_key]
    if unknown:
        raise BackTestRefusedError(f"{request.site} has no channel {', '.join(unknown)}.")
    calculated = [one for one in request.channels if plan.channel_by_key[one].calculated]
    if calculated:
        raise BackTestRefusedError(
            f"{', '.join(calculated)}: only measured channels are looked at, because calculated "
            "ones follow from them."
        )
    return [
        one
        for one in plan.channels
        if (one.key in request.channels or not request.channels)
        and not one.calculated
        and not one.channel.states
    ]


async def _of_group(
    connection: AsyncConnection,
    site_id: int,
    plan: SitePlan,
    group: GroupPlan,
    known: dict[str, int],
    request: SuggestRequest,
) -> Thinned:
    only = [known.get(one.key) if one is group else None for one in plan.groups]
    span_us = range(request.from_us, request.to_us)
    history = StoredHistory(connection, site_id, plan, only, span_us, with_ticks=False)
    await history.open()
    thinned = Thinned(group)
    async for _, so_far in gathered(history, group):
        thinned = so_far
    return thinned


def _of_channel(
    one: ChannelPlan, group: GroupPlan, thinned: Thinned
) -> tuple[Proposal | None, str]:
    history = thinned.history(one.slot)
    span = "nothing" if thinned.span_us is None else _span(thinned.span_us)
    total = history.good + history.bad
    rests = f"{one.key}: {history.good:,} readings of {span}"
    if total:
        rests += f", {history.bad / total:.2%} bad"
    try:
        quiet = quiet_in(history)
        source = f"Quiet history of {span}; no design value"
        proposal = propose(one, quiet, period_s=group.group.period_s, source=source)
    except NotQuietError as error:
        return None, f"{rests}. Nothing proposed: {error}."
    return proposal, f"{rests}. {_in_words(quiet, one, history)} {_changes(proposal)}"


def _in_words(quiet: Quiet, one: ChannelPlan, history: History) -> str:
    unit = one.channel.unit
    seen = "too seldom read" if quiet.daily_amplitude is None else f"±{quiet.daily_amplitude:.3g}"
    step = "none to see" if quiet.resolution is None else f"{quiet.resolution:g}"
    return (
        f"In {unit}: noise {quiet.noise:.3g}, resolution {step}, daily course {seen}, "
        f"99.9 % within {quiet.low:.6g} to {quiet.high:.6g}, {history.days:.1f} days."
    )


def _changes(proposal: Proposal) -> str:
    said = [
        f"{one.part}[{one.number}].{one.key} {one.before} to {one.words}"
        for one in proposal.changes
    ]
    if proposal.limits is not None:
        said.append("new limits, blue and yellow only")
    return f"Proposed: {'; '.join(said)}." if said else "Nothing to change."


def _span(span_us: Sequence[int]) -> str:
    first, last = (f"{instant_at(us):%Y-%m-%d}" for us in span_us)
    return f"{first} to {last}"
