"""`groundwatch ledger`: a signed statement of what was taken and stored on a day."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="State, signed, what a site's edges took on a day, what is stored, and what is missing.",
    invoke_without_command=True,
)

OptionalDsn = Annotated[
    str | None,
    typer.Option("--dsn", envvar="GROUNDWATCH_DSN", help="The database, as libpq writes it."),
]
OfSite = Annotated[str | None, typer.Option("--site", help="The site's id.")]
OfDay = Annotated[
    datetime | None,
    typer.Option("--day", formats=["%Y-%m-%d"], help="A day in the site's time zone."),
]
KeyFile = Annotated[
    Path,
    typer.Option(
        "--key", envvar="GROUNDWATCH_LEDGER_KEY", help="The signing key; made if there is none."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="State it as one line of JSON.")]


@app.callback()
def ledger(
    context: typer.Context,
    dsn: OptionalDsn = None,
    site: OfSite = None,
    day: OfDay = None,
    key: KeyFile = Path("ledger.key"),
    as_json: AsJson = False,
) -> None:
    """State, signed, what a site's edges took on a day, what is stored, and what is missing."""
    from ingest.daily_ledger import NoSuchSiteError, signed_statement
    from ingest.statement_signing import StatementError

    if context.invoked_subcommand is not None:
        return
    if dsn is None or site is None or day is None:
        typer.echo("Give --dsn (or GROUNDWATCH_DSN), --site and --day.", err=True)
        raise typer.Exit(2)
    try:
        made = signed_statement(dsn, site, day.date(), key, in_json=as_json)
    except (NoSuchSiteError, StatementError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(made.text, nl=False)
    whose = f"a new key, kept in {key}" if made.key_is_new else f"the key {key}"
    typer.echo(f"Signed with {whose}; its fingerprint is {made.fingerprint}", err=True)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A signed statement.")],
    fingerprint: Annotated[
        str | None, typer.Option(help="Of the centre's key; another one is refused.")
    ] = None,
) -> None:
    """Check that a statement is as it was signed, and by which key."""
    from ingest.statement_signing import StatementError
    from ingest.statement_signing import verify as verify_text

    try:
        found = verify_text(file.read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        typer.echo(f"{file} can't be read as a text: {error}.", err=True)
        raise typer.Exit(2) from error
    except StatementError as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(1) from error
    if fingerprint is not None and fingerprint.lower() != found.fingerprint:
        typer.echo(f"{file} was signed with another key: {found.fingerprint}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"Unchanged since it was signed with the key {found.fingerprint}.")
    if fingerprint is None:
        typer.echo("Compare that with your centre's, or give it as --fingerprint.")
