"""Checking site files before anything is started with them: `groundwatch check FILE…`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from telemetry.complaint import Complaint
from telemetry.site import Site
from telemetry.site_file import SiteFileError, read_site_file
from telemetry.site_rules.places import channels_of, groups_of


def check_files(paths: Iterable[Path]) -> tuple[int, list[str]]:
    """Check files one by one and together; return the exit code and the lines to print.

    A complaint is ``FILE:LINE:COL: where: what is wrong (allowed: …)``; a file without one
    gets a sentence with its counts. The exit code is 0 when nothing was complained about.
    """
    lines: list[str] = []
    good: list[tuple[Path, Site]] = []
    is_good = True
    for path in paths:
        try:
            site = read_site_file(path)
        except SiteFileError as error:
            is_good = False
            lines += [str(complaint) for complaint in error.complaints]
        else:
            good.append((path, site))
            lines.append(f"{path}: {_summary(site)}")
    together = _complaints_together(good)
    lines += [str(complaint) for complaint in together]
    return (0 if is_good and not together else 1), lines


def _summary(site: Site) -> str:
    channels = [one.channel for one in channels_of(site)]
    groups = list(groups_of(site))
    limits = sum(
        len(channel.limits) + len(channel.rate_limits) + len(channel.charts) + len(channel.trends)
        for channel in channels
    )
    counts = [
        _counted(len(site.structures), "structure"),
        _counted(len(groups), "group"),
        _counted(len(channels), "channel"),
        _counted(limits, "limit"),
        _counted(len(site.buses), "bus", "buses"),
    ]
    return f"the site {site.site} is in order: {', '.join(counts)}."


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _complaints_together(sites: Sequence[tuple[Path, Site]]) -> list[Complaint]:
    """Find what files that are right one by one claim twice: a site, an edge."""
    complaints: list[Complaint] = []
    file_of_site: dict[str, Path] = {}
    site_of_edge: dict[str, str] = {}
    for path, site in sites:
        if site.site in file_of_site:
            message = f"the site {site.site} is described in {file_of_site[site.site]} already"
            complaints.append(Complaint(str(path), 1, 1, "site", message, "one file per site"))
            continue
        file_of_site[site.site] = path
        for edge in dict.fromkeys(bus.edge for bus in site.buses):
            other = site_of_edge.setdefault(edge, site.site)
            if other != site.site:
                message = f"the edge {edge} belongs to the site {other} already"
                complaints.append(
                    Complaint(str(path), 1, 1, "buses", message, "one site for each edge")
                )
    return complaints
