"""Where several processes may come to run one region in turn: what its present one is told.

Who may run it is settled outside, by a lock (georeg/nodes/duties.py). The region itself has to know
three things of it. *Adrift*: the store is out of reach, so that another process may begin unheard;
as home the region then lends nothing new, like a home that learns, until the store is back. What it
had lent before, a successor waits for, since it learns for one full wait. *Superseded*: a peer has
heard a later incarnation of this region, which can only be another process; so this one must not
begin again above it, as a region whose disk was lost would, but stop. *Retell*: the store has lost
what it had; all of it is here.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from crdt.dots import RegionId
from crdt.sessions import SessionSet
from georeg.region.joining import Joining
from georeg.region.state import RegionState

STEP: Final = 256
"""Of what is told again, with each step: some 2 ms."""
T = TypeVar("T")


class Tenure:
    """The tenure of one process."""

    def __init__(self, state: RegionState, joining: Joining) -> None:
        self._state = state
        self._joining = joining

    def set_adrift(self, is_adrift: bool) -> None:
        """The store is out of reach, or is back."""
        for _, term in sorted(self._state.seats.terms.items()):
            term.book.is_paused = is_adrift

    def on_superseded(self, callback: Callable[[int], None]) -> None:
        """Call this, with the incarnation that a peer has heard, when another process has begun the
        region, and do not begin again."""

        def stop(incarnation: int) -> bool:
            self._state.counters["superseded"] += 1
            callback(incarnation)
            return True

        self._joining.is_superseded = stop

    def peer_up(self, peer: RegionId) -> None:
        """A link has come up: a region that begins asks at once, since its calls wait."""
        self._joining.ask(peer)

    def retell(self) -> Iterator[None]:
        """Queue for the journal all that it should hold, some of it with each step; what changes
        between two steps is queued as ever."""
        state, journal = self._state, self._state.journal
        for peer, incarnation in sorted(state.seats.incarnations.items()):
            journal.store_peer(peer, incarnation)
        for shard in state.shards:
            yield from _in_steps(shard.ledger.all(), journal.store_kick)
            yield from _in_steps(shard.accounts.moved(), journal.store_home)
            yield from _in_steps(shard.accounts.plans(), journal.store_plan)
            yield from self._retell_sessions(shard.sessions)

    def _retell_sessions(self, sessions: SessionSet) -> Iterator[None]:
        rows = sessions.rows_of(self._state.region)
        dots = [sessions.dots[row] for row in rows]
        for first in range(0, len(rows), STEP):
            for at in range(first, min(first + STEP, len(rows))):
                row = rows[at]
                if sessions.dots[row] == dots[at]:  # else it has ended since
                    self._state.journal.store_session(sessions.entry(row))
            yield


def _in_steps(items: Sequence[T], store: Callable[[T], None]) -> Iterator[None]:
    for first in range(0, len(items), STEP):
        for item in items[first : first + STEP]:
            store(item)
        yield
