"""A region's side of the budgets: the grants that it holds from the homes.

What it holds of one seat (georeg/region/seats.py) shares one lease, one generation and one term,
whichever region sits there as home. Invariant: for each account, what `usable` says is never more
than what the homes count for this region (book.py), whatever is lost, late, doubled or out of
order.

The rules that this side keeps (numbers as in DESIGN part 6):
1. a lease counts from the time at which its request was sent, on this region's clock;
4. a reply counts only if it answers the account's latest request. Giving back is a request too:
   a reply that is still under way would bring back what was given;
5. a home of a new term has an empty book, so its lease counts only when it confirmed what is
   held now: nothing was added since the claims were sent, and the old lease has not run out
   in between (after which the old home may have lent the slots elsewhere);
7. when a lease has run out, or the home says void, all grants under it end together and the
   next generation begins.

A lapsed lease that nobody has looked at since may still be renewed by the same home in the same
term: had it lapsed there, the home would have said void.

Cost: one dict entry per account with a grant; voiding swaps a dict, whose accounts are then told a
few at a time (`take_voided`). An unanswered request is forgotten after one to two leases: its reply
would come too late to be of use.
"""

from typing import Final

from crdt.dots import REGION_MAX, RegionId
from crdt.errors import LocalError

GENERATION_BITS: Final = 20
REQUEST_BITS: Final = 40
"""Generations and requests of one incarnation; both grow over restarts with the incarnation."""

_NEVER: Final = -(1 << 62)


class _Held:
    """What is held of one seat, all under one lease."""

    __slots__ = (
        "amounts", "deadline_ms", "generation", "grown_ms", "newer", "older", "slots", "term",
        "turned_ms",
    )  # fmt: skip

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.term = 0
        """The highest term that was ever accepted; 0 before the first."""
        self.deadline_ms = _NEVER
        self.grown_ms = _NEVER
        """When a grant was last added."""
        self.amounts: dict[str, int] = {}
        """account -> slots, always > 0."""
        self.slots = 0
        """Sum of the amounts."""
        self.newer: dict[str, int] = {}
        self.older: dict[str, int] = {}
        """account -> latest request that waits for its reply; the halves turn every lease."""
        self.turned_ms = _NEVER

    def set(self, account: str, amount: int) -> None:
        self.slots += amount - self.amounts.get(account, 0)
        if amount:
            self.amounts[account] = amount
        else:
            self.amounts.pop(account, None)

    def latest(self, account: str) -> int | None:
        number = self.newer.get(account)
        return self.older.get(account) if number is None else number

    def forget_request(self, account: str) -> None:
        self.newer.pop(account, None)
        self.older.pop(account, None)

    def void(self) -> dict[str, int]:
        """Begin the next generation; returns what was held before."""
        gone, self.amounts, self.slots = self.amounts, {}, 0
        self.newer, self.older = {}, {}
        self.generation += 1
        self.deadline_ms = _NEVER
        return gone


class GrantHolder:
    """All grants that one region holds, by seat. Times are this region's monotonic clock, ms."""

    def __init__(self, lease_ms: int, incarnation: int) -> None:
        """`incarnation` of the region: its generations and requests follow all older ones."""
        if lease_ms <= 0 or incarnation < 0:
            raise LocalError(f"no holder with {lease_ms=}, {incarnation=}")
        self._lease_ms = lease_ms
        self._first_generation = incarnation << GENERATION_BITS
        self._number = incarnation << REQUEST_BITS
        self._seats: dict[RegionId, _Held] = {}
        self._voided: list[dict[str, int]] = []

    def usable(self, seat: RegionId, account: str, now_ms: int) -> int:
        """Slots of the account that this region may fill now without asking."""
        held = self._seats.get(seat)
        if held is None or now_ms >= held.deadline_ms:
            return 0
        return held.amounts.get(account, 0)

    def generation(self, seat: RegionId) -> int:
        """The generation to put into requests and renewals."""
        return self._of(seat).generation

    def term(self, seat: RegionId) -> int:
        """The home's term under which something is held; 0: nothing is, nothing to confirm."""
        held = self._of(seat)
        return held.term if held.amounts else 0

    def held(self, seat: RegionId) -> int:
        """Slots held of this seat, over all accounts."""
        held = self._seats.get(seat)
        return 0 if held is None else held.slots

    def accounts(self, seat: RegionId) -> list[str]:
        """The accounts of which something is held of this seat, in the order of the grants."""
        held = self._seats.get(seat)
        return [] if held is None else list(held.amounts)

    def lease_left_ms(self, seat: RegionId, now_ms: int) -> int:
        """How long what is held of this seat may be used without another word; 0: no more."""
        held = self._seats.get(seat)
        return 0 if held is None else max(0, held.deadline_ms - now_ms)

    def claims(self, seat: RegionId) -> tuple[int, list[tuple[str, int]]]:
        """What a new term of this seat must confirm: (request number, sorted (account, slots)).

        Call `expire` first: what has lapsed must not be claimed. Claims are a request with a
        number, for the new home has no memory of those before: without it, an old word of giving
        back that is still under way would lower what is claimed here.
        """
        self._number += 1
        return self._number, sorted(self._of(seat).amounts.items())

    def request(self, seat: RegionId, account: str, now_ms: int) -> int:
        """Number a new request for slots: from now on only its reply counts for the account."""
        self.expire(seat, now_ms)
        held = self._of(seat)
        if now_ms - held.turned_ms >= self._lease_ms:
            held.older, held.newer, held.turned_ms = held.newer, {}, now_ms
        self._number += 1
        held.newer[account] = self._number
        return self._number

    def accept_slot(
        self,
        seat: RegionId,
        account: str,
        request: int,
        generation: int,
        term: int,
        sent_ms: int,
        amount: int,
        now_ms: int,
    ) -> bool:
        """The home answers a request: the account's grant is now `amount`, the lease is renewed.

        `sent_ms` is the time of this region at which the request was sent. False: the answer is
        not to the latest request, of another generation or term, or too late; nothing is held
        that was not held before.
        """
        held = self._of(seat)
        if generation != held.generation or request != held.latest(account):
            return False
        if not self._may_follow(held, term) or sent_ms + self._lease_ms <= now_ms:
            return False
        held.forget_request(account)
        self._extend(held, term, sent_ms)
        held.set(account, amount)
        held.grown_ms = now_ms
        return True

    def leased(self, seat: RegionId, generation: int, term: int, sent_ms: int, now_ms: int) -> bool:
        """The home answers a renewal that was sent at `sent_ms`: the lease runs on.

        A higher term counts as confirming the claims that were sent with the renewal. False: of
        an old generation or term, or it does not confirm all that is held; nothing changes.
        """
        held = self._of(seat)
        if generation != held.generation:
            return False
        if not self._may_follow(held, term) and not self._confirms(held, term, sent_ms, now_ms):
            return False
        self._extend(held, term, sent_ms)
        return True

    def voided(self, seat: RegionId, generation: int) -> bool:
        """The home says that this generation's lease has run out there."""
        held = self._of(seat)
        if generation != held.generation:
            return False
        self._void(held)
        return True

    def expire(self, seat: RegionId, now_ms: int) -> bool:
        """Void what is held of this seat if its lease has run out; True if it had.

        To be called at each tick and before each message to the home.
        """
        held = self._of(seat)
        if held.deadline_ms == _NEVER or now_ms < held.deadline_ms:
            return False
        self._void(held)
        return True

    def take_voided(self, count: int) -> list[str]:
        """Up to `count` accounts whose grants have ended with a lease, each told once.

        For asking anew a few at a time: a million at once would stop the loop.
        """
        accounts: list[str] = []
        while self._voided and len(accounts) < count:
            last = self._voided[-1]
            if last:
                accounts.append(last.popitem()[0])
            else:
                self._voided.pop()
        return accounts

    def give_back(
        self, seat: RegionId, account: str, at_most: int, in_use: int, now_ms: int
    ) -> tuple[int, int]:
        """Give back up to `at_most` slots, but none of the `in_use`: (request number, slots left).

        The home must be told both. A request for slots that is under way is thereby withdrawn.
        """
        self.expire(seat, now_ms)
        held = self._of(seat)
        has = held.amounts.get(account, 0)
        left = has - min(at_most, max(0, has - in_use))
        held.set(account, left)
        held.forget_request(account)
        self._number += 1
        return self._number, left

    def _of(self, seat: RegionId) -> _Held:
        held = self._seats.get(seat)
        if held is None:
            if not 0 < seat <= REGION_MAX:
                raise LocalError(f"no seat {seat}: regions are 1 to {REGION_MAX}")
            held = self._seats[seat] = _Held(self._first_generation)
        return held

    def _may_follow(self, held: _Held, term: int) -> bool:
        """Whether a lease of this term needs no claims to be confirmed first."""
        return term == held.term or (term > held.term and not held.amounts)

    def _confirms(self, held: _Held, term: int, sent_ms: int, now_ms: int) -> bool:
        """Whether a new term that answers claims of `sent_ms` covers all that is held now."""
        return term > held.term and sent_ms > held.grown_ms and now_ms < held.deadline_ms

    def _extend(self, held: _Held, term: int, sent_ms: int) -> None:
        deadline_ms = sent_ms + self._lease_ms
        # A new term knows only the lease that it gave, not a later one of the term before.
        same = term == held.term
        held.deadline_ms = max(held.deadline_ms, deadline_ms) if same else deadline_ms
        held.term = term

    def _void(self, held: _Held) -> None:
        gone = held.void()
        if gone:
            self._voided.append(gone)
