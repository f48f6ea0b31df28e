"""Sessions that another region named before their author's log has come.

A holder that gives slots back says what it sees elsewhere (causal handover): whoever is told that
a slot is free because its session has moved also learns where it moved to. A hint counts as live
until the author's log has caught up with it; a log that does not come in time wins, so a wrong hint
does no harm for longer than `region_down_ms`.

Bounded: HINTS_MAX an account, HINT_ACCOUNTS_MAX accounts, the oldest account goes first.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from crdt.dots import SHARDS, Dot
from crdt.events import Entry
from crdt.shard import Shard
from georeg.region.members import Members
from georeg.region.ports import Clock
from georeg.region.settings import Settings

HINTS_MAX: Final = 16
HINT_ACCOUNTS_MAX: Final = 10_000


class Hints:
    """account -> entries of other regions that are ahead of their logs."""

    def __init__(
        self,
        members: Members,
        shards: Sequence[Shard],
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._members = members
        self._shards = shards
        self._clock = clock
        self._settings = settings
        self._accounts: dict[str, list[tuple[int, Entry]]] = {}
        """(when it was told, entry)"""

    def note(self, account: str, entries: Iterable[Entry]) -> None:
        """Another region names sessions of the account; of this region nobody else can tell."""
        now_ms = self._clock.now_ms()
        for entry in entries:
            if (
                entry.account != account
                or entry.region not in self._members.peers
                or self._is_known(entry.dot)
            ):
                continue
            known = self._accounts.setdefault(account, [])
            if len(known) < HINTS_MAX and all(e.dot != entry.dot for _, e in known):
                known.append((now_ms, entry))
            while len(self._accounts) > HINT_ACCOUNTS_MAX:
                del self._accounts[next(iter(self._accounts))]

    def of(self, account: str) -> list[Entry]:
        """What is still ahead of the logs."""
        known = self._accounts.get(account)
        if known is None:
            return []
        oldest_ms = self._clock.now_ms() - self._settings.region_down_ms
        fresh = [(at, e) for at, e in known if at >= oldest_ms and not self._is_known(e.dot)]
        if fresh:
            self._accounts[account] = fresh
        else:
            del self._accounts[account]
        return [e for _, e in fresh]

    def _is_known(self, dot: Dot) -> bool:
        return self._shards[dot & (SHARDS - 1)].context.has(dot)
