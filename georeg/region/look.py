"""One account as it is known now, looked up once.

A start asks a dozen questions about its account within one step; each would walk the same hash
chain and decode the same rows. A `Look` answers them all, and is good until its shard changes. Who
asks for one thing only does not pay for the others.
"""

from collections.abc import Sequence
from typing import Literal

from crdt.accounts import NONE
from crdt.dots import RegionId, SessionId
from crdt.events import Entry, PlanSet
from crdt.shard import Shard


class Look:
    """What one shard knew of an account at one number of changes."""

    __slots__ = ("_at", "_entries", "_plan", "account", "changes", "rows", "seat", "shard")

    def __init__(self, account: str, shard: Shard) -> None:
        self.account = account
        self.shard = shard
        self.changes = shard.changes
        self._at = at = shard.accounts.find(account)
        self.rows: Sequence[int] = () if at == NONE else shard.sessions.rows_at(at)
        self._entries: list[Entry] | None = None
        self._plan: PlanSet | None | Literal[False] = None if at == NONE else False
        """False: nobody has asked for it yet."""
        self.seat: RegionId | None = None
        """Filled in by whoever asks for it first."""

    def planned(self, plan: PlanSet) -> None:
        """The shard has just been told this plan, and nothing else has changed since the look."""
        self._at = self.shard.accounts.find(self.account)
        self._plan, self.seat = plan, None
        self.changes = self.shard.changes

    @property
    def plan(self) -> PlanSet | None:
        """The statement of the account's plan that holds."""
        if self._plan is False:
            self._plan = self.shard.accounts.plan_at(self._at, self.account)
        return self._plan

    @property
    def moved(self) -> int:
        """The region to which the account's home has moved; 0: it has not."""
        return 0 if self._at == NONE else self.shard.accounts.homes.home(self._at)

    @property
    def pinned(self) -> int:
        """The home that the account's plan names; 0: none."""
        plan = self.plan
        return plan.plan.home if plan is not None else 0

    @property
    def entries(self) -> list[Entry]:
        """What the rows hold, in their order."""
        if self._entries is None:
            entry = self.shard.sessions.entry
            self._entries = [entry(row, self.account) for row in self.rows]
        return self._entries


def by_place(entry: Entry) -> tuple[int, int]:
    """The order of an account's sessions: by place, then by dot."""
    return (entry.placed_ms, entry.dot)


def keep_highest(best: dict[SessionId, Entry], entry: Entry) -> None:
    """The highest (hop, dot) holds a session."""
    known = best.get(entry.session)
    if known is None or (entry.hop, entry.dot) > (known.hop, known.dot):
        best[entry.session] = entry
