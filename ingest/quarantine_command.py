"""`groundwatch quarantine`: see what could not be stored, and have it stored after all."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="See what could not be stored, and have it stored after all.", no_args_is_help=True
)

Dsn = Annotated[
    str,
    typer.Option("--dsn", envvar="GROUNDWATCH_DSN", help="The database, as libpq writes it."),
]
OfSite = Annotated[str | None, typer.Option("--site", help="Only of this site.")]
OfReason = Annotated[str | None, typer.Option("--reason", help="Only of this reason.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]


@app.command("list")
def list_(dsn: Dsn, site: OfSite = None, reason: OfReason = None, limit: Limit = 100) -> None:
    """List the oldest blocks in quarantine, a line each: number, receipt, edge, reason."""
    from ingest.kept_blocks import list_kept

    for line in list_kept(dsn, site=site, reason=reason, limit=limit):
        typer.echo(line)


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(help="The block's number in the list.")],
    dsn: Dsn,
    out: Annotated[Path | None, typer.Option(help="Write its bytes into this new file.")] = None,
) -> None:
    """Show why a block is in quarantine, and what it says."""
    from ingest.kept_blocks import QuarantineError, show_kept

    try:
        typer.echo("\n".join(show_kept(dsn, number, out)))
    except QuarantineError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command("release")
def release(
    dsn: Dsn,
    numbers: Annotated[list[int] | None, typer.Argument(help="Numbers in the list.")] = None,
    site: OfSite = None,
    reason: OfReason = None,
) -> None:
    """Have blocks stored whose obstacle is gone: by number, or all of a --reason.

    The ingest that owns the site has to run. What still can't be stored stays, and it is said why.
    """
    from ingest.kept_blocks import release_kept

    if bool(numbers) == bool(reason):
        typer.echo("Give either numbers or --reason.", err=True)
        raise typer.Exit(2)
    refused = 0
    for number, why in release_kept(dsn, numbers or [], site=site, reason=reason):
        refused += bool(why)
        typer.echo(f"{number}: {why or 'stored'}")
    raise typer.Exit(1 if refused else 0)
