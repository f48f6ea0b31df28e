"""One account as it is known now, looked up once.

A start asks a dozen questions about its account within one step; each would walk the same hash
chain and decode the same rows. A `Look` answers them all, and is good until its shard changes.
"""

from crdt.accounts import NONE
from crdt.dots import RegionId
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
