"""The command line of identity: certificates, tokens, codes; who may come in, and who no more.

A part of `groundwatch.py`, which adds these commands to its own.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ingest.encryption import Encryption
    from telemetry.tls import Credentials

Dsn = Annotated[
    str,
    typer.Option("--dsn", envvar="GROUNDWATCH_DSN", help="The database, as libpq writes it."),
]
CertificateFile = Annotated[
    Path | None,
    typer.Option("--certificate", help="Secure the line with this certificate (PEM, with chain)."),
]
KeyFile = Annotated[Path | None, typer.Option("--key", help="The certificate's key (PEM).")]
PageCredentials = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        metavar="CERTIFICATE KEY", help="Secure page and API with these two files instead."
    ),
]
EdgeCertificate = Annotated[Path | None, typer.Option(help="The edge's own certificate.")]
EdgeKey = Annotated[Path | None, typer.Option(help="Its key.")]
ClientAuthority = Annotated[
    Path | None,
    typer.Option(help="Believe edges' certificates that this authority has signed."),
]
CentreAuthority = Annotated[
    Path | None,
    typer.Option("--authority-folder", help="Our own authority; signs for edges that enrol."),
]
AuthorityFolder = Annotated[Path, typer.Argument(help="The folder of the authority.")]

EnrolCentre = Annotated[str, typer.Option(help="The centre's line, as wss://HOST:8381.")]
EnrolOut = Annotated[
    Path, typer.Option(help="The folder for token, key, certificate and settings.")
]
EnrolCode = Annotated[
    str | None,
    typer.Option(envvar="GROUNDWATCH_CODE", help="The code; left out, it is asked for."),
]
EnrolEdge = Annotated[
    str | None, typer.Option(help="SITE/EDGE that this machine is; others are refused.")
]
EnrolAuthority = Annotated[
    Path | None, typer.Option(help="Believe a centre that this authority has signed for.")
]
EnrolSite = Annotated[
    Path | None, typer.Option(help="Use this site file; else the centre's is written.")
]
EnrolSpool = Annotated[Path | None, typer.Option(help="Where readings will wait.")]
WithoutEncryption = Annotated[bool, typer.Option(help="Send the token over an open line (ws://).")]
Again = Annotated[
    bool, typer.Option("--again", help="Replace credentials; settings and spool stay.")
]

ca = typer.Typer(
    help="A certificate authority of one's own, for mines without one.", no_args_is_help=True
)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.add_typer(ca, name="ca")
    for command in (token, tokens, invite, edge_code, enrol, revoke):
        app.command(command.__name__.replace("_", "-"))(command)


@ca.command("new")
def ca_new(
    folder: AuthorityFolder,
    name: Annotated[str, typer.Option(help="What people will know it by.")],
) -> None:
    """Make an authority, for ten years; keep its key where few can come."""
    from ingest.authority_folder import AuthorityError, make_authority
    from telemetry.clock import MachineClock

    try:
        written = make_authority(folder, name, MachineClock().now_us())
    except AuthorityError as error:
        raise _refused(error) from error
    _tell_written(written)


@ca.command("server")
def ca_server(
    folder: AuthorityFolder,
    host: Annotated[
        list[str], typer.Option(help="A name or address of the centre; may be given several times.")
    ],
    name: Annotated[str, typer.Option(help="What the files are called.")] = "centre",
    out: Annotated[
        Path | None, typer.Option(help="Where to write them; else beside the authority.")
    ] = None,
    days: Annotated[int, typer.Option(help="How long it lasts, 825 at most.")] = 825,
) -> None:
    """Make a centre's certificate and key, for every name and address that it is called by."""
    from ingest.authority_folder import AuthorityError, make_server
    from telemetry.clock import MachineClock

    try:
        written = make_server(folder, host, name, out or folder, MachineClock().now_us(), days=days)
    except AuthorityError as error:
        raise _refused(error) from error
    _tell_written(written)


@ca.command("edge")
def ca_edge(
    folder: AuthorityFolder,
    edge: Annotated[str, typer.Argument(help="SITE/EDGE.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write them; else beside the authority.")
    ] = None,
) -> None:
    """Make an edge's certificate and key by hand; `groundwatch enrol` does it better."""
    from ingest.authority_folder import AuthorityError, make_edge
    from telemetry.clock import MachineClock

    try:
        written = make_edge(folder, edge, out or folder, MachineClock().now_us())
    except AuthorityError as error:
        raise _refused(error) from error
    _tell_written(written)


@ca.command("show")
def ca_show(file: Annotated[Path, typer.Argument(help="A file with certificates.")]) -> None:
    """Say what the certificates of a file are: names, end, fingerprint."""
    from ingest.authority_folder import AuthorityError, describe

    try:
        typer.echo(describe(file))
    except AuthorityError as error:
        raise _refused(error) from error


def token(
    dsn: Dsn,
    edge: Annotated[
        str | None, typer.Option(help="For an edge, as SITE/EDGE; it may only deliver.")
    ] = None,
    scope: Annotated[str, typer.Option(help="For programs: operator or viewer.")] = "viewer",
    site: Annotated[str | None, typer.Option(help="Only for this site.")] = None,
    label: Annotated[str, typer.Option(help="What the token is for.")] = "made by hand",
    out: Annotated[
        Path | None, typer.Option(help="Write it into this new file, readable for you alone.")
    ] = None,
) -> None:
    """Make a token and print it: it is not stored and can't be shown again."""
    from ingest.invitation import TokenRequestError, keep_token, make_token

    try:
        made = make_token(dsn, edge=edge, scope=scope, site=site, label=label)
        if out is None:
            typer.echo(made)
        else:
            keep_token(made, out)
    except TokenRequestError as error:
        raise _refused(error) from error


def invite(
    dsn: Dsn,
    address: Annotated[
        str, typer.Option(help="The page's address, as the browser will write it.")
    ] = "http://127.0.0.1:8380",
) -> None:
    """Print a new sign-in link; it can be used once, within a day."""
    import asyncio

    from ingest.invitation import invitation

    typer.echo(asyncio.run(invitation(dsn, address.rstrip("/"))))


def tokens(
    dsn: Dsn,
    revoke: Annotated[
        str | None, typer.Option(metavar="ID", help="End this token, and sessions made from it.")
    ] = None,
) -> None:
    """List tokens, never their secrets; or end one."""
    from ingest.token_list import UnknownTokenError, end_token, list_tokens

    try:
        typer.echo(list_tokens(dsn) if revoke is None else end_token(dsn, revoke))
    except UnknownTokenError as error:
        raise _refused(error) from error


def edge_code(
    edge: Annotated[str, typer.Argument(help="SITE/EDGE.")],
    dsn: Dsn,
    for_: Annotated[str, typer.Option("--for", help="How long it can be used.")] = "15m",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the edge's older tokens valid.")
    ] = False,
    authority: Annotated[
        Path | None,
        typer.Option(help="Put this authority's fingerprint in; else that of the running centre."),
    ] = None,
) -> None:
    """Print a code with which one edge can be enrolled, once."""
    from ingest.edge_access import AccessError, CodeRequest, make_edge_code
    from telemetry.durations import seconds_in

    try:
        request = CodeRequest(edge, seconds_in(for_), keep, authority)
        code = make_edge_code(dsn, request)
    except (AccessError, ValueError) as error:
        raise _refused(error) from error
    typer.echo(str(code))
    typer.echo(
        f"Within {for_}, once, on the edge's machine: "
        "groundwatch enrol --centre wss://HOST:8381 --out FOLDER",
        err=True,
    )
    if code.fingerprint is None:
        typer.echo(
            "The code carries no fingerprint: the edge will believe a centre that its system "
            "trusts, or name one with --authority.",
            err=True,
        )


def enrol(
    centre: EnrolCentre,
    out: EnrolOut,
    code: EnrolCode = None,
    edge: EnrolEdge = None,
    authority: EnrolAuthority = None,
    site: EnrolSite = None,
    spool: EnrolSpool = None,
    without_encryption: WithoutEncryption = False,
    again: Again = False,
) -> None:
    """Make this machine an edge of a centre: with a code, once; writes all that it needs."""
    from edge_agent.enrolment import Enrolment, NotEnrolledError
    from edge_agent.enrolment import enrol as enrol_edge

    asked = Enrolment(
        centre=centre,
        code=code or typer.prompt("Code", hide_input=True),
        out=out,
        edge=edge,
        authority=authority,
        site=site,
        spool=spool,
        without_encryption=without_encryption,
        again=again,
    )
    try:
        folder = enrol_edge(asked)
    except NotEnrolledError as error:
        raise _refused(error) from error
    typer.echo(f"Enrolled. Start it with: groundwatch edge --config {folder.settings}")


def revoke(
    what: Annotated[str, typer.Argument(help="A token's id, or SITE/EDGE for all it has.")],
    dsn: Dsn,
) -> None:
    """End a token, or all tokens and certificates of an edge; open lines are cut within 60 s."""
    from ingest.edge_access import AccessError, revoke_access

    try:
        lines = revoke_access(dsn, what)
    except AccessError as error:
        raise _refused(error) from error
    typer.echo("\n".join(lines))


def line_encryption(
    certificate: Path | None,
    key: Path | None,
    client_authority: Path | None = None,
    authority_folder: Path | None = None,
) -> "Encryption":
    """Put the options of a secured line together."""
    from ingest.encryption import Encryption

    return Encryption(given_credentials(certificate, key), client_authority, authority_folder)


def given_credentials(certificate: Path | None, key: Path | None) -> "Credentials | None":
    """Put two options together; end the program with a sentence where one is missing."""
    from telemetry.tls import TlsFilesError, credentials_of

    try:
        return credentials_of(certificate, key)
    except TlsFilesError as error:
        raise _refused(error) from error


def _refused(error: Exception) -> typer.Exit:
    typer.echo(str(error), err=True)
    return typer.Exit(2)


def _tell_written(paths: list[Path]) -> None:
    for path in paths:
        typer.echo(f"written: {path}")
