"""Counts that need a walk over accounts, done in slices so that no call waits for them.

How much of the held grants is in use is counted in the background, in slices, since peers are told
of it. What only an operator asks for is a generator: whoever wants the answer lets
the loop breathe between its steps. Counts are of the time of the walk, not of one instant.

Invariant: looking changes nothing, so no lapsed session is released here; one that is over counts
until the sweep comes by, within a second. Cost: 2 to 4 us an account.
"""

from collections.abc import Generator
from typing import Final

from crdt.accounts import NONE
from crdt.book import GrantBook
from crdt.dots import RegionId
from georeg.region.budget import Budget
from georeg.region.report import Lent, WorstCase
from georeg.region.state import RegionState

SLICE: Final = 200
"""Accounts that are looked at in one go: some 0.4 ms."""


class Census:
    """What a region holds, lends and risks, counted over its accounts."""

    def __init__(self, state: RegionState, budget: Budget) -> None:
        self._state = state
        self._budget = budget
        self._used_of: dict[RegionId, int] = {}
        """Seat -> slots held of it that were in use at the last walk."""
        self._seats: list[RegionId] = []
        """Seats that the present walk has still to begin."""
        self._seat: RegionId | None = None
        self._accounts: list[str] = []
        self._used = 0

    def used(self, seat: RegionId) -> int:
        """Slots held of a seat that were in use when that was last counted."""
        return self._used_of.get(seat, 0)

    def step(self) -> bool:
        """One slice of the walk over all grants that are held; True: there is more to look at."""
        left = SLICE
        for _ in range(len(self._state.peers) + 1):
            if self._seat is None:
                self._seats = self._seats or self._budget.seats()[::-1]
                if not self._seats:
                    return False
                self._seat, self._used = self._seats.pop(), 0
                self._accounts = self._budget.holder.accounts(self._seat)
            if not self._accounts:
                self._used_of[self._seat], self._seat = self._used, None
                continue
            piece, self._accounts = self._accounts[-left:], self._accounts[:-left]
            self._used += sum(self._in_use(self._seat, account) for account in piece)
            left -= len(piece)
            if left <= 0:
                return True
        return False

    def _in_use(self, seat: RegionId, account: str) -> int:
        state = self._state
        usable = self._budget.holder.usable(seat, account, state.clock.now_ms())
        return min(usable, self._counts(account).get(state.region, 0))

    def _counts(self, account: str) -> dict[int, int]:
        shard = self._state.shard(account)
        at = shard.accounts.find(account)
        return {} if at == NONE else shard.sessions.counts_at(at)

    def lent(self) -> Generator[None, None, tuple[Lent, ...]]:
        """As home: what each region has and uses of it."""
        state = self._state
        slots: dict[RegionId, int] = dict.fromkeys(state.peers, 0)
        used: dict[RegionId, int] = dict.fromkeys(state.peers, 0)
        for _, term in sorted(state.seats.terms.items()):
            yield from self._lent_of(term.book, slots, used)
        return tuple(Lent(region, slots[region], used[region]) for region in state.peers)

    def _lent_of(
        self, book: GrantBook, slots: dict[RegionId, int], used: dict[RegionId, int]
    ) -> Generator[None, None, None]:
        row, is_first, clock = 0, True, self._state.clock
        while row or is_first:
            is_first = False
            accounts, row = book.accounts_with_grants(row, SLICE)
            for account in accounts:
                counts = self._counts(account)
                for region, amount in book.valid(account, clock.now_ms()).items():
                    if region in slots:
                        slots[region] += amount
                        used[region] += min(amount, counts.get(region, 0))
            yield

    def worst_case(self) -> Generator[None, None, WorstCase]:
        """What could be admitted beyond the limits if every link were cut now.

        Alone, a region admits an account's starts up to the limit among the sessions that it holds,
        and ends none that run: so of each account every region may come to hold the larger of the
        limit and what it holds now (P2).
        """
        state = self._state
        regions = (state.region, *state.peers)
        accounts = limits = beyond = 0
        for shard in state.shards:
            table, sessions = shard.accounts, shard.sessions
            for row in range(table.capacity):
                if row % SLICE == SLICE - 1:
                    yield
                if table.first[row] == NONE:
                    continue
                plan = table.plan_at(row, "")
                limit = plan.plan.limit if plan is not None else state.settings.default_limit
                counts = sessions.counts_at(row)
                accounts += 1
                limits += limit
                beyond += sum(max(limit, counts.get(r, 0)) for r in regions) - limit
            yield
        return WorstCase(len(regions), accounts, limits, beyond)
