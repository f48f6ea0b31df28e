"""As home: takes back what nobody uses.

Grants of accounts that have had no live session for a while, and those beyond the limit of accounts
whose plan was lowered. Else the first region that ever played would keep all slots for good.

Cost: bounded, a slice of the books per round, in turn, a whole book in IDLE_ROUNDS at best.
"""

from collections.abc import Callable, Iterable
from typing import Final

from crdt.book import GrantBook
from crdt.dots import RegionId
from georeg.region.messages import AMOUNT_MAX, Message, Recall
from georeg.region.state import RegionState

IDLE_SWEEP_MAX: Final = 2_000
IDLE_ROUNDS: Final = 5
"""Idle is a matter of minutes: nobody needs each account to be looked at each second."""


class _Walk:
    """How far the walk over one book is."""

    __slots__ = ("book", "cursor", "found", "since")

    def __init__(self, book: GrantBook) -> None:
        self.book = book
        self.cursor = 0
        self.since: dict[str, int] = {}
        """account -> since when it has been found without sessions, as of the last walk."""
        self.found: dict[str, int] = {}
        """The same, as of the walk that is under way."""


class IdleGrants:
    """Looks at the books of all seats in which this region sits."""

    def __init__(self, state: RegionState, send: Callable[[RegionId, Message], None]) -> None:
        self._state = state
        self._send = send
        self._walks: dict[RegionId, _Walk] = {}
        self.on_streaming: Callable[[str], None] = lambda account: None
        """Set by moves.py: an account of which something is lent has live sessions."""

    def tick(self) -> None:
        """Once a beacon round: recall what is idle in the next slice of each book."""
        terms = self._state.seats.terms
        for seat in [seat for seat in self._walks if seat not in terms]:
            del self._walks[seat]
        for seat, term in sorted(terms.items()):
            walk = self._walks.get(seat)
            if walk is None or walk.book is not term.book:
                walk = self._walks[seat] = _Walk(term.book)
            self._step(seat, walk)

    def _step(self, seat: RegionId, walk: _Walk) -> None:
        state, book, now_ms = self._state, walk.book, self._state.clock.now_ms()
        count = min(IDLE_SWEEP_MAX, book.rows // IDLE_ROUNDS + 1)
        accounts, walk.cursor = book.accounts_with_grants(walk.cursor, count)
        for account in accounts:
            valid = book.valid(account, now_ms)
            if sum(valid.values()) > state.limit_of(account):
                self.take_back(seat, account, valid)
                continue
            if state.shard(account).sessions.has_any_of(account, valid) or state.live(account):
                self.on_streaming(account)
                continue  # a holder with a dot uses its slots: the usual case, and cheaply seen
            since_ms = walk.since.get(account, now_ms)
            if now_ms - since_ms <= state.settings.idle_grant_ms:
                walk.found[account] = since_ms
                continue
            self.take_back(seat, account, valid)
        if walk.cursor == 0:  # the walk is over: what it did not find is idle no more
            walk.since, walk.found = walk.found, {}

    def take_back(self, seat: RegionId, account: str, valid: Iterable[RegionId]) -> None:
        """Recall what is not in use."""
        for region in sorted(valid):
            self._send(region, Recall(account, 0, AMOUNT_MAX, (), "", seat))
