"""The home's side of the budgets: what it has lent, to whom, and until when.

Invariant: for each account and region, the book counts at least what that region's holder may use
(holder.py). The home lends and uses only what the book does not count, so the usable grants of an
account never exceed its limit (P8). Nothing of the book is stored or replicated: a new home
starts with an empty one and learns.

The lease rules (DESIGN part 6), each of which is broken in turn in tests/crdt/test_escrow_model.py:
1. the holder counts its lease from the send time of its own request (holder.py);
2. the home waits lease x (1 + drift) / (1 - drift) before it reuses slots (lease.py);
3. the home keeps the larger of the new and the old amount until the region's own word confirms
   the smaller one: only `grant` raises a count, only `returned` lowers it;
4. the holder takes only the reply to its latest request; the home ignores requests it has passed;
5. a new home first learns: for one full wait it confirms claims and lends nothing. A claim is a
   request under rule 4: what the region said before it is passed;
6. the old home's term ends before the new one begins (the election's part, where it is fenced);
7. a lease that has run out here is never renewed: the answer is void, and the region begins a new
   generation.

Cost: an account with a grant takes one row and 2 bytes per region; voiding a region drops one
column, whatever the number of accounts.
"""

from array import array
from collections.abc import Sequence
from enum import Enum
from typing import Final

from crdt.dots import REGION_MAX, RegionId
from crdt.errors import LocalError, PeerError
from crdt.lease import home_wait_ms
from crdt.requests import PassedRequests

AMOUNT_MAX: Final = (1 << 16) - 1
"""Slots of one account that one region can hold."""
PARTS_MAX: Final = 4096
"""Messages that one region's claims may be spread over."""


class Meet(Enum):
    """What a message's generation says about the region that sent it."""

    OK = "ok"
    STALE = "stale"
    """An older generation than is known: ignore the message."""
    VOID = "void"
    """Its lease has run out here: answer void, so that the region begins a new generation."""


class Claimed(Enum):
    """What became of one message of claims."""

    ALL = "all"
    """All parts of these claims are in the book: renew the lease and say so."""
    PART = "part"
    """More parts are to come, or newer claims have come: say nothing."""
    LATE = "late"
    """Not learning any more: answer void."""


class _Lent:
    """What one region has from this home: one lease, one column of amounts."""

    __slots__ = (
        "amounts", "claimed_parts", "claims", "generation", "passed", "slots", "until_ms",
    )  # fmt: skip

    def __init__(self, generation: int, now_ms: int) -> None:
        self.generation = generation
        self.until_ms: int | None = None
        """None: this generation has not begun its lease yet."""
        self.amounts = array("H")
        """Slots by row; rows beyond its end have none."""
        self.slots = 0
        """Sum of the amounts."""
        self.passed = PassedRequests(now_ms)
        self.claims = -1
        """Request number of the newest claims."""
        self.claimed_parts: set[int] = set()

    def runs(self, now_ms: int) -> bool:
        return self.until_ms is not None and now_ms < self.until_ms

    def amount(self, row: int) -> int:
        return self.amounts[row] if row < len(self.amounts) else 0

    def set(self, row: int, amount: int) -> None:
        if row >= len(self.amounts):
            self.amounts.frombytes(bytes(2 * (row + 1 - len(self.amounts))))
        self.slots += amount - self.amounts[row]
        self.amounts[row] = amount

    def clear(self) -> None:
        self.amounts, self.slots = array("H"), 0


class GrantBook:
    """What one home has lent in one term. Times are the home's monotonic clock, ms."""

    def __init__(self, lease_ms: int, drift: float, term: int, learn_until_ms: int) -> None:
        """`learn_until_ms`: the home's clock at its start plus `home_wait_ms(lease_ms, drift)`,
        or any time past if no earlier home can have lent anything.
        """
        if term <= 0:
            raise LocalError(f"a home's term must be at least 1, not {term}")
        self.term = term
        self._wait_ms = home_wait_ms(lease_ms, drift)
        self.learn_until_ms = learn_until_ms
        self.is_paused = False
        """Nothing new is lent, as while learning, for as long as this is set."""
        self._regions: dict[RegionId, _Lent] = {}
        """In ascending order of region."""
        self._next_end_ms: int | None = None
        """No lease runs out before this."""
        self._rows: dict[str, int] = {}
        self._accounts: list[str | None] = []
        self._free: list[int] = []

    @property
    def lent(self) -> int:
        """Slots lent out, over all accounts and regions, as of the last call that had a time."""
        return sum(lent.slots for lent in self._regions.values())

    def is_learning(self, now_ms: int) -> bool:
        """Whether an earlier home's grants may still be in use, so that nothing is to be lent."""
        return self.is_paused or now_ms < self.learn_until_ms

    def meet(self, region: RegionId, generation: int, now_ms: int) -> Meet:
        """First step of handling any message of a region: judge the generation it carries.

        A higher one than before says that the region has voided all that it had.
        """
        self._end_leases(now_ms)
        lent = self._regions.get(region)
        if lent is None:
            if not 0 < region <= REGION_MAX:
                raise LocalError(f"no region {region}: regions are 1 to {REGION_MAX}")
            self._regions[region] = _Lent(generation, now_ms)
            self._regions = dict(sorted(self._regions.items()))
            return Meet.OK
        if generation < lent.generation:
            return Meet.STALE
        if generation > lent.generation:
            lent.clear()
            lent.generation, lent.until_ms = generation, None
        elif lent.until_ms is not None and not lent.runs(now_ms):
            return Meet.VOID
        lent.passed.turn(now_ms)
        return Meet.OK

    def is_latest(self, account: str, region: RegionId, request: int) -> bool:
        """Take a request by its number; False when that number was passed: ignore it."""
        return self._met(region).passed.take(account, request)

    def is_current(self, account: str, region: RegionId, request: int) -> bool:
        """Whether no later request has come since this one was taken: an answer still counts."""
        return self._met(region).passed.last(account) == request

    def renew(self, region: RegionId, now_ms: int) -> None:
        """Let the region's lease run on, or begin; only after `meet` was OK at the same time."""
        lent = self._met(region)
        if lent.until_ms is not None and not lent.runs(now_ms):
            raise LocalError(f"the lease of region {region} has run out; it must not be renewed")
        lent.until_ms = now_ms + self._wait_ms
        if self._next_end_ms is None:
            self._next_end_ms = lent.until_ms

    def valid(self, account: str, now_ms: int) -> dict[RegionId, int]:
        """Slots that each region may be using now, in ascending order of region; no zeros."""
        self._end_leases(now_ms)
        row = self._rows.get(account)
        if row is None:
            return {}
        return {
            region: amount
            for region, lent in self._regions.items()
            if lent.runs(now_ms) and (amount := lent.amount(row))
        }

    def grant(self, account: str, region: RegionId, amount: int, now_ms: int) -> int:
        """Lend: the region may use `amount` slots of the account from now on.

        Never lowers what is counted. Returns what is counted for the region now, at most which
        the reply may say. While learning nothing is lent and the answer must be no slot: also what
        was claimed may have been given back since, and lent elsewhere by the home before; the same
        if the region's lease has run out. Both return 0.
        """
        if not 0 <= amount <= AMOUNT_MAX:
            raise LocalError(f"cannot lend {amount} slots of one account: 0 to {AMOUNT_MAX}")
        lent = self._met(region)
        if self.is_learning(now_ms) or not lent.runs(now_ms):
            return 0
        row = self._rows.get(account)
        has = 0 if row is None else lent.amount(row)
        if amount <= has:
            return has
        self._set(account, lent, amount)
        return amount

    def claim(
        self,
        region: RegionId,
        request: int,
        part: int,
        parts: int,
        claims: Sequence[tuple[str, int]],
        now_ms: int,
    ) -> Claimed:
        """A region says what it holds from an earlier term: part 0 to `parts` - 1 of its claims.

        Its lease may be confirmed only when all parts of one request have come. All its earlier
        requests count as passed from now on: they speak of a book that is lost.
        Raises PeerError when a part or an amount is out of bounds; then nothing has changed.
        """
        if not 0 <= part < parts <= PARTS_MAX:
            raise PeerError(f"no part {part} of {parts} of claims: at most {PARTS_MAX}")
        for _, amount in claims:
            _check_told(amount)
        if not self.is_learning(now_ms):
            return Claimed.LATE
        lent = self._met(region)
        if request < lent.claims:
            return Claimed.PART
        if request > lent.claims:
            lent.claims, lent.claimed_parts = request, set()
            lent.passed.take_all(request)
        for account, amount in () if part in lent.claimed_parts else claims:
            row = self._rows.get(account)
            if amount > (0 if row is None else lent.amount(row)):
                self._set(account, lent, amount)
        lent.claimed_parts.add(part)
        return Claimed.ALL if len(lent.claimed_parts) == parts else Claimed.PART

    def returned(self, account: str, region: RegionId, request: int, has: int, now_ms: int) -> bool:
        """A region says what it has left of an account: the only way in which a count sinks.

        Never raises one, for that would lend: a word meant for an earlier term may come late.
        False: this request or a later one of it was handled already; nothing changes. Raises
        PeerError when the amount is out of bounds.
        """
        _check_told(has)
        self._end_leases(now_ms)
        lent = self._met(region)
        if not lent.passed.take(account, request):
            return False
        row = self._rows.get(account)
        if row is not None and has < lent.amount(row):
            lent.set(row, has)
            self._free_if_empty(account, row)
        return True

    @property
    def rows(self) -> int:
        """Rows of the table of accounts, for walks over it."""
        return len(self._accounts)

    def accounts_with_grants(self, first_row: int, count: int) -> tuple[list[str], int]:
        """A slice of the accounts that have something lent: (accounts, first row of the next).

        Looks at `count` rows; the next row is 0 when the table was gone through. For taking back
        idle grants a little at each tick.
        """
        end = min(first_row + count, len(self._accounts))
        found = []
        for row in range(first_row, end):
            account = self._accounts[row]
            if account is not None and not self._free_if_empty(account, row):
                found.append(account)
        return found, end if end < len(self._accounts) else 0

    def _met(self, region: RegionId) -> _Lent:
        lent = self._regions.get(region)
        if lent is None:
            raise LocalError(f"region {region} was not met: call meet() for each message first")
        return lent

    def _end_leases(self, now_ms: int) -> None:
        """Forget what was lent under leases that have run out; their generations stay known."""
        if self._next_end_ms is None or now_ms < self._next_end_ms:
            return
        ends = []
        for lent in self._regions.values():
            if lent.runs(now_ms):
                ends.append(lent.until_ms or 0)
            elif lent.until_ms is not None:
                lent.clear()
        self._next_end_ms = min(ends, default=None)

    def _set(self, account: str, lent: _Lent, amount: int) -> None:
        row = self._rows.get(account)
        if row is None:
            if self._free:
                row = self._free.pop()
                self._accounts[row] = account
            else:
                row = len(self._accounts)
                self._accounts.append(account)
            self._rows[account] = row
        lent.set(row, amount)

    def _free_if_empty(self, account: str, row: int) -> bool:
        """Free the account's row if no region has anything of it."""
        if any(lent.amount(row) for lent in self._regions.values()):
            return False
        self._accounts[row] = None
        del self._rows[account]
        self._free.append(row)
        return True


def _check_told(amount: int) -> None:
    if not 0 <= amount <= AMOUNT_MAX:
        raise PeerError(f"a region says it has {amount} slots of an account: 0 to {AMOUNT_MAX}")
