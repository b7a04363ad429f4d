"""What edges say they took, kept beside what came: without it, nobody knows what is missing.

An edge says at each hello which number its spool gives out next. That is written down by the next
flush of its site, whether or not anything else has come; a hello that no flush has followed is not
known after a crash, and is said again.
"""

from psycopg import AsyncConnection

from historian.streams import announce
from ingest.desk import SiteDesk
from ingest.inbox import Stream

Announced = tuple[tuple[Stream, int], ...]  # A stream, and how many of its hellos.


async def write_announced(conn: AsyncConnection, desk: SiteDesk) -> Announced:
    """Write down what edges said since the last flush, in the flush's transaction."""
    said = tuple((one, one.hellos) for one in desk.streams.values() if one.has_news)
    for stream, _ in said:
        await announce(conn, stream.stream_id, stream.announced, stream.announced_us)
    return said


def note_announced(announced: Announced) -> None:
    """Note, after the commit, what need not be written again."""
    for stream, hellos in announced:
        stream.hellos_stored = hellos
