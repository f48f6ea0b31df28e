"""Where several processes may come to run one region in turn: what its present one is told.

Who may run it is settled outside, by a lock (georeg/nodes/duties.py). The region itself has to know
three things of it. *Adrift*: the store is out of reach, so that another process may begin unheard;
as home the region then lends nothing new, like a home that learns, until the store is back. What it
had lent before, a successor waits for, since it learns for one full wait. *Superseded*: a peer has
heard a later incarnation of this region, which can only be another process; so this one must not
begin again above it, as a region whose disk was lost would, but stop. *Retell*: the store has lost
what it had; all of it is here.
"""

from collections.abc import Callable

from crdt.dots import RegionId
from georeg.region.joining import Joining
from georeg.region.state import RegionState


class Tenure:
    """The tenure of one process."""

    def __init__(self, state: RegionState, joining: Joining) -> None:
        self._state = state
        self._joining = joining

    def set_adrift(self, is_adrift: bool) -> None:
        """The store is out of reach, or is back."""
        for _, term in sorted(self._state.seats.terms.items()):
            term.book.is_paused = is_adrift

    def on_superseded(self, callback: Callable[[], None]) -> None:
        """Call this when another process has begun the region, and do not begin again."""

        def stop() -> bool:
            self._state.counters["superseded"] += 1
            callback()
            return True

        self._joining.is_superseded = stop

    def peer_up(self, peer: RegionId) -> None:
        """A link has come up: a region that begins asks at once, since its calls wait."""
        self._joining.ask(peer)

    def retell(self) -> None:
        """Queue for the journal all that it should hold."""
        state, journal = self._state, self._state.journal
        for peer, incarnation in sorted(state.seats.incarnations.items()):
            journal.store_peer(peer, incarnation)
        for shard in state.shards:
            for kick in shard.ledger.all():
                journal.store_kick(kick)
            for plan in shard.accounts.plans():
                journal.store_plan(plan)
            for row in shard.sessions.rows_of(state.region):
                journal.store_session(shard.sessions.entry(row))
