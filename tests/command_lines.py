"""What our command line knows, to hold documents, units and guides against."""

import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any

import typer

import groundwatch

PROGRAM = "groundwatch"


@cache
def _all_commands() -> Any:  # Of click, or of typer's own copy of it.
    return typer.main.get_command(groundwatch.app)


def complaints_about(words: Sequence[str]) -> list[str]:
    """Say which command or options after the program's name do not exist."""
    command, rest = _all_commands(), list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        known = command.commands.get(rest[0])
        if known is None:
            return [f"there is no command '{rest[0]}'"]
        command, rest = known, rest[1:]
    known_options = {name for one in command.params for name in one.opts + one.secondary_opts}
    options = [word.partition("=")[0] for word in rest if word.startswith("--")]
    unknown = [name for name in options if name not in known_options | {"--help"}]
    return [f"'{command.name}' has no option {name}" for name in unknown]


def calls_in(shell: str) -> list[list[str]]:
    """Find what follows `groundwatch` wherever a shell text calls it.

    >>> calls_in("sudo -u x /opt/bin/groundwatch check a.yaml && groundwatch schema > b")
    [['check', 'a.yaml'], ['schema']]
    """
    found: list[list[str]] = []
    for line in shell.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        call: list[str] | None = None
        before = ""  # `-u groundwatch` names an account.
        for word in lexer:
            if call is None:
                is_call = (
                    word == PROGRAM or word.endswith(f"/bin/{PROGRAM}")
                ) and not before.startswith("-")
                call, before = ([] if is_call else None), word
            elif set(word) <= set("|&;<>()"):
                found.append(call)
                call = None
            else:
                call.append(word)
        if call is not None:
            found.append(call)
    return found
