"""The command line of back-tests: the engine over stored history, and proposals from it.

A part of `groundwatch.py`, which adds these commands to its own.
"""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from groundwatch_files import Dsn
from groundwatch_simulate import seconds_or_exit


class Order(Enum):
    """How stored history is fed to the engine."""

    RECORDED = "recorded"
    EVENT_TIME = "event-time"


From = Annotated[str, typer.Option("--from", help="The first instant; without an offset, UTC.")]
SiteFile = Annotated[
    Path, typer.Option("--site", help="A site file: the one in force, or another.")
]
Against = Annotated[Path | None, typer.Option(help="Another site file to compare with.")]
Events = Annotated[
    Path | None,
    typer.Option(help="A CSV file of known events: name, begins_at, channel or structure."),
]
Plot = Annotated[Path | None, typer.Option(help="Write an HTML page with charts here.")]
Horizon = Annotated[
    str, typer.Option(help="How long before an event an alarm announces it, like 24h.")
]
ChatterRaises = Annotated[int, typer.Option(min=2, help="So many raises are chatter…")]
ChatterWindow = Annotated[str, typer.Option(help="… within this time.")]
Within = Annotated[
    Path | None,
    typer.Option(
        hidden=True,
        help="Lowest priority, bounded, progress as JSON on standard error; ends with standard "
        "input, and removes this folder then. For the API.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the findings as one JSON object.")]
To = Annotated[str, typer.Option(help="The instant before which it ends.")]


def add_commands(app: typer.Typer) -> None:
    """Give the command line what looks back."""
    app.command()(backtest)
    app.command()(suggest)


def backtest(
    site: SiteFile,
    from_: From,
    to: To,
    dsn: Dsn,
    against: Against = None,
    events: Events = None,
    plot: Plot = None,
    order: Annotated[
        Order | None, typer.Option(help="Left out: as recorded, if the site file is in force.")
    ] = None,
    horizon: Horizon = "24h",
    chatter_raises: ChatterRaises = 3,
    chatter_window: ChatterWindow = "60s",
    json: AsJson = False,
    within: Within = None,
) -> None:
    """Run the engine over stored history: what would have been told, and what it was worth."""
    from alarms.backtest.command import run_backtest
    from alarms.backtest.figures import Bounds
    from alarms.backtest.running import BackTestRequest

    request = BackTestRequest(
        site=site,
        dsn=dsn,
        from_us=_instant(from_),
        to_us=_instant(to),
        against=against,
        events=events,
        order=None if order is None else order.value,
        horizon_s=seconds_or_exit(horizon),
        bounds=Bounds(
            chatter_raises=chatter_raises, chatter_window_s=seconds_or_exit(chatter_window)
        ),
        charts=plot is not None,
    )
    raise typer.Exit(run_backtest(request, plot=plot, as_json=json, within=within))


def suggest(
    site: SiteFile,
    from_: From,
    to: To,
    dsn: Dsn,
    channel: Annotated[
        list[str] | None, typer.Option(help="Only this channel; may be given several times.")
    ] = None,
) -> None:
    """Propose deadbands, delays and limits from quiet history, as a diff of the site file."""
    from alarms.suggestion.command import SuggestRequest, run_suggest

    request = SuggestRequest(site, dsn, _instant(from_), _instant(to), tuple(channel or ()))
    raise typer.Exit(run_suggest(request))


def _instant(text: str) -> int:
    """Read an instant; end the program with a sentence where it is none."""
    from telemetry.clock import instant_in

    try:
        return instant_in(text)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
