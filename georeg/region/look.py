"""One account as it is known now, looked up once.

A start asks a dozen questions about its account within one step; each would walk the same hash
chain and decode the same rows. A `Look` answers them all, and is good until its shard changes.
"""

from crdt.accounts import NONE
from crdt.dots import RegionId, SessionId
from crdt.events import Entry, PlanSet
from crdt.shard import Shard


class Look:
    """What one shard knew of an account at one number of changes."""

    __slots__ = ("account", "changes", "entries", "home", "plan", "rows", "shard")

    def __init__(self, account: str, shard: Shard) -> None:
        self.account = account
        self.shard = shard
        self.changes = shard.changes
        self.rows: list[int] = []
        self.entries: list[Entry] = []
        """What the rows hold, in their order."""
        self.plan: PlanSet | None = None
        self.home: RegionId | None = None
        """Filled in by whoever asks for it first."""
        at = shard.accounts.find(account)
        if at != NONE:
            self.rows = shard.sessions.rows_at(at)
            self.entries = [shard.sessions.entry(row) for row in self.rows]
            self.plan = shard.accounts.plan_at(at, account)


def by_place(entry: Entry) -> tuple[int, int]:
    """The order of an account's sessions: by place, then by dot."""
    return (entry.placed_ms, entry.dot)


def keep_highest(best: dict[SessionId, Entry], entry: Entry) -> None:
    """The highest (hop, dot) holds a session."""
    known = best.get(entry.session)
    if known is None or (entry.hop, entry.dot) > (known.hop, known.dot):
        best[entry.session] = entry
