"""What the live lines of one site share: the journal's newest entries, and the newest readings.

Each message is written once, however many clients get it. Clients hold no copies: an alarm
client is a cursor in the journal, a readings client a set of channels that changed.
"""

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from alarms.journal import JournalEntry
from api.freshness import Freshness
from api.newest import NewestScan, group_freshness, latest_of_group
from api.site_directory import SiteRecord
from api.views import AlarmView, EntryView
from telemetry.clock import Clock, instant_at

ENTRIES_KEPT = 2000  # A client further behind reads from the database.


@dataclass(slots=True)
class LiveEntry:
    """A journal entry as it is sent."""

    number: int
    hash: bytes
    text: str
    pushed: bool  # To any client, ever.


@dataclass(frozen=True, slots=True)
class _Values:
    """A message that was written, and what it was written from."""

    changed: Set[str]
    rows_changed: int
    cursor: int
    text: str


class LiveSite:
    """The newest state of a site that somebody watches."""

    def __init__(self, record: SiteRecord, head: int, head_hash: bytes) -> None:
        self.record = record
        self.head = head  # The newest journal number that was read.
        self.head_hash = head_hash
        self.is_former = False  # The database was restored; this is about the one before.
        self.flush_id = 0
        self.scans: dict[int, NewestScan] = {}  # By group number in the store.
        self.freshness: dict[str, Freshness] = {}  # Of what an alarm can be about, by its id.
        self.rows: dict[str, str] = {}  # By channel: its newest reading as JSON.
        self._entries: deque[LiveEntry] = deque(maxlen=ENTRIES_KEPT)
        self._levels: Mapping[str, int] = {}
        self._group_freshness: dict[int, Freshness] = {}
        self._rows_changed = 0
        self._written = _Values(frozenset(), -1, -1, "")

    def entries_after(self, cursor: int, limit: int) -> list[LiveEntry] | None:
        """Return kept entries above a cursor; None when they must be read from the store."""
        if cursor >= self.head:
            return []
        skipped = cursor - (self.head - len(self._entries))
        if skipped < 0:
            return None
        return [
            self._entries[at] for at in range(skipped, min(skipped + limit, len(self._entries)))
        ]

    def take_entries(self, entries: Sequence[LiveEntry]) -> None:
        """Keep entries that were just read, in order and without a hole."""
        for entry in entries:
            assert entry.number == self.head + 1
            self._entries.append(entry)
            self.head, self.head_hash = entry.number, entry.hash

    def take_record(self, record: SiteRecord, clock: Clock) -> set[str]:
        """Go on with another version of the site's file; return the channels that changed."""
        self.record = record
        self.rows.clear()
        self._rows_changed += 1
        self.freshness.clear()
        return self._show(record.group_of_id, clock)

    def take_levels(self, levels: Mapping[str, int], clock: Clock) -> set[str]:
        """Note which levels stand now; return the channels that changed."""
        before, self._levels = self._levels, levels
        differ = {
            key for key in before.keys() | levels.keys() if before.get(key) != levels.get(key)
        }
        groups = {
            self.record.group_ids[channel.group]
            for key in differ
            if (channel := self.record.plan.channel_by_key.get(key)) is not None
        }
        return self._show(groups, clock)

    def take_scans(self, scans: Iterable[NewestScan], clock: Clock) -> set[str]:
        """Note new scans; return the channels that changed."""
        groups = set()
        for scan in scans:
            self.scans[scan.group_id] = scan
            self.flush_id = max(self.flush_id, scan.flush_id)
            groups.add(scan.group_id)
        return self._show(groups & self.record.group_of_id.keys(), clock)

    def take_time(self, clock: Clock) -> set[str]:
        """Judge freshness again; return the channels that are fresh or stale only now."""
        groups = {
            group_id
            for group_id, group in self.record.group_of_id.items()
            if group_freshness(group, self.scans.get(group_id), clock)
            != self._group_freshness.get(group_id)
        }
        return self._show(groups, clock)

    def _show(self, group_ids: Iterable[int], clock: Clock) -> set[str]:
        changed: set[str] = set()
        for group_id in group_ids:
            group = self.record.group_of_id[group_id]
            scan = self.scans.get(group_id)
            freshness = group_freshness(group, scan, clock)
            self._group_freshness[group_id] = freshness
            self.freshness[group.key] = freshness
            for view in latest_of_group(group, scan, self._levels, freshness):
                self.freshness[view.channel] = freshness
                text = view.model_dump_json()
                if self.rows.get(view.channel) != text:
                    self.rows[view.channel] = text
                    changed.add(view.channel)
        self._rows_changed += bool(changed)
        return changed

    def values_text(self, changed: Set[str], cursor: int) -> str:
        """Write the readings of channels that changed; empty where none of them has any.

        Clients who were woken together hold the same set: for them it is written once.
        """
        last = self._written
        if (
            changed is last.changed
            and last.rows_changed == self._rows_changed
            and last.cursor == cursor
        ):
            return last.text
        rows = [row for key in sorted(changed) if (row := self.rows.get(key))]
        text = ""
        if rows:
            at = cursor_text(self.record.key, cursor)
            text = f'{{"type":"values","cursor":{at},"values":[{",".join(rows)}]}}'
        self._written = _Values(changed, self._rows_changed, cursor, text)
        return text


def entry_view(entry: JournalEntry) -> EntryView:
    """Show a journal entry."""
    body = {key: value for key, value in entry.body.items() if not key.endswith("_us")}
    return EntryView(
        **body,
        sampled_at=instant_at(entry.body["sampled_us"]),
        stored_at=instant_at(entry.stored_us),
        pushed_at=_at(entry.pushed_us),
        told_at=_at(entry.told_us),
        delivered_at=_at(entry.delivered_us),
    )


def live_entry(site: str, entry: JournalEntry, alarm: AlarmView | None) -> LiveEntry:
    """Write the message of a journal entry, with its alarm as it stands now."""
    text = (
        f'{{"type":"alarm","cursor":{cursor_text(site, entry.number)},'
        f'"entry":{entry_view(entry).model_dump_json()},'
        f'"alarm":{"null" if alarm is None else alarm.model_dump_json()}}}'
    )
    return LiveEntry(entry.number, entry.hash, text, pushed=entry.pushed_us is not None)


def cursor_text(site: str, number: int) -> str:
    """Write a cursor as JSON.

    >>> cursor_text("demo-mine", 7)
    '{"demo-mine":7}'
    """
    return json.dumps({site: number}, separators=(",", ":"))


def _at(us: int | None) -> object:
    return None if us is None else instant_at(us)
