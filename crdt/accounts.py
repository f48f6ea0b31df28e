"""One shard's accounts in columns: name, first session, plan. A row is a number, not an object.

A chained hash table of arrays: `heads` by bucket, `chain` from row to row, the CRC-32 of the name
as key and the name itself in a slab. The low bits of the CRC chose the shard, so the buckets go by
the higher ones. Freed rows form a chain of their own and are used again.

Invariants: a row exists exactly while its account has a session, a plan, or a home that has moved
(homes.py); `first[row]` is the head
of the account's sessions in the `SessionSet` that shares this table, or NONE; free rows have
none of these.

The plan register: the statement with the highest (issued, plan) wins, so the join is a maximum.
Plans are few and interned; the ones that find the interner full are kept one by one.

Why: a `dict` of half a million `str` costs 160 B an account and 100 ms of garbage collection; this
costs 45 B and none. Cost: one CRC, one or two steps of a chain, one comparison of the name; of the
account that was asked for last, one comparison.
"""

from array import array
from typing import Final
from zlib import crc32

from crdt.dots import SHARD_BITS, RegionId
from crdt.events import HomeSet, Plan, PlanSet
from crdt.homes import Homes
from crdt.interner import FULL, VALUES_MAX, Interner
from crdt.slab import Slab

NONE: Final = -1
"""No row."""
ROWS_STEP: Final = 64
"""Columns grow by this many rows: seldom, and without much room to spare."""

_NO_PLAN: Final = VALUES_MAX
_BUCKETS_MIN: Final = 64


class AccountTable:
    """Account -> row, and what is kept per account. Shared with the shard's SessionSet.

    `plans` may be shared by the tables of all shards.
    """

    __slots__ = (
        "_free", "_issued", "_last", "_last_data", "_last_key", "_last_row", "_mask", "_odd_plans",
        "_plan_numbers", "_plans", "_texts", "_used", "chain", "count", "first", "heads", "homes",
        "keys", "slab",
    )  # fmt: skip

    def __init__(self, slab: Slab, plans: Interner[Plan] | None = None) -> None:
        self.slab = slab
        self.count = 0
        self.heads = array("i", [NONE]) * _BUCKETS_MIN
        self.chain = array("i")
        self.keys = array("I")
        self.first = array("i")
        self._texts = array("I")
        self._plan_numbers = array("H")
        self._issued = array("Q")
        self._mask = _BUCKETS_MIN - 1
        self._used = 0
        self._free = NONE
        self._last: str | None = None
        """The account that was asked for last: what happens to one asks for it several times."""
        self._last_data, self._last_key, self._last_row = b"", 0, NONE
        self._plans: Interner[Plan] = Interner() if plans is None else plans
        self._odd_plans: dict[int, Plan] = {}
        self.homes = Homes()

    @property
    def capacity(self) -> int:
        """Rows that were ever used, free ones included."""
        return self._used

    def bucket(self, key: int) -> int:
        """The bucket of a name's CRC-32."""
        return key >> SHARD_BITS & self._mask

    def find(self, account: str) -> int:
        """The account's row, or NONE."""
        if account != self._last:
            self._seek(account)
        return self._last_row

    def intern(self, account: str) -> int:
        """The account's row; a new one when it has none yet.

        The caller gives it a session, a plan or a home at once, or calls `prune`.
        """
        if account != self._last:
            self._seek(account)
        if self._last_row == NONE:
            self._last_row = self._place(self._last_data, self._last_key)
        return self._last_row

    def key(self, account: str) -> int:
        """The CRC-32 of the account's name, which is made to find it."""
        if account != self._last:
            self._seek(account)
        return self._last_key

    def account(self, row: int) -> str:
        """The name of the account in this row."""
        return self.slab.get(self._texts[row]).decode()

    def prune(self, row: int) -> None:
        """Free the row if its account has neither session nor plan, and its home has not moved."""
        if self.first[row] != NONE or self._plan_numbers[row] != _NO_PLAN or self.homes.has(row):
            return
        if row == self._last_row:
            self._last = None
        at = self.bucket(self.keys[row])
        before = self.heads[at]
        if before == row:
            self.heads[at] = self.chain[row]
        else:
            while self.chain[before] != row:
                before = self.chain[before]
            self.chain[before] = self.chain[row]
        self.slab.free(self._texts[row])
        self._texts[row] = 0
        self.chain[row] = self._free
        self._free = row
        self.count -= 1

    # ---- plans -------------------------------------------------------------------------------

    def plan(self, account: str) -> PlanSet | None:
        """The statement that holds for the account; None when none is known."""
        row = self.find(account)
        return None if row == NONE else self.plan_at(row, account)

    def plan_at(self, row: int, account: str) -> PlanSet | None:
        """The same for an account whose row is known."""
        if self._plan_numbers[row] == _NO_PLAN:
            return None
        return PlanSet(account, self._plan_at(row), self._issued[row])

    def set_plan(self, update: PlanSet) -> bool:
        """Join a statement in. False, and nothing changes, unless it wins."""
        row = self.intern(update.account)
        if self._plan_numbers[row] != _NO_PLAN:
            if (update.issued, update.plan) <= (self._issued[row], self._plan_at(row)):
                return False
            self._drop_plan(row)
        number = self._plans.take(update.plan)
        self._plan_numbers[row] = number
        if number == FULL:
            self._odd_plans[row] = update.plan
        self._issued[row] = update.issued
        return True

    def plans(self) -> list[PlanSet]:
        """All statements that hold, ordered by account."""
        return sorted(
            PlanSet(self.account(row), self._plan_at(row), self._issued[row])
            for row, number in enumerate(self._plan_numbers[: self._used])
            if number != _NO_PLAN
        )

    def forget_plans(self, issued_before: int, first_row: int, count: int) -> int:
        """Drop older statements of accounts without sessions, among `count` rows from one on.

        Returns how many. For a sweep in steps; `first_row` may be beyond the end.
        """
        rows = [
            row
            for row in range(first_row, min(first_row + count, self._used))
            if self._plan_numbers[row] != _NO_PLAN
            and self.first[row] == NONE
            and self._issued[row] < issued_before
        ]
        for row in rows:
            self._drop_plan(row)
            self.prune(row)
        return len(rows)

    def _plan_at(self, row: int) -> Plan:
        number = self._plan_numbers[row]
        return self._odd_plans[row] if number == FULL else self._plans.value(number)

    def _drop_plan(self, row: int) -> None:
        if self._plan_numbers[row] == FULL:
            del self._odd_plans[row]
        else:
            self._plans.drop(self._plan_numbers[row])
        self._plan_numbers[row] = _NO_PLAN

    # ---- homes -------------------------------------------------------------------------------

    def home(self, account: str) -> HomeSet | None:
        """To where the account's home has moved; None: it has not."""
        row = self.find(account)
        return None if row == NONE else self.homes.get(row, account)

    def set_home(self, update: HomeSet) -> bool:
        """Join a statement in. False, and nothing changes, unless it wins."""
        return self.homes.join(self.intern(update.account), update)

    def say_home(self, update: HomeSet) -> bool:
        """The same for the own log. False: it stands there already, or another one holds."""
        row = self.intern(update.account)
        self.homes.join(row, update)
        return self.homes.get(row, update.account) == update and self.homes.say(row)

    def moved(self) -> list[HomeSet]:
        """All homes that have moved, ordered by account."""
        rows = range(self._used) if self.homes.count else ()
        found = (self.homes.get(row, self.account(row)) for row in rows if self.homes.has(row))
        return sorted(move for move in found if move is not None)

    def say_homes_again(self, region: RegionId) -> list[HomeSet]:
        """For a new log of a region: the homes that moved to it or away from it."""
        self.homes.begin()
        moved = [move for move in self.moved() if region in (move.home, move.by)]
        return [move for move in moved if self.say_home(move)]

    # ---- rows --------------------------------------------------------------------------------

    def _seek(self, account: str) -> None:
        data = account.encode()
        key = crc32(data)
        row = self.heads[key >> SHARD_BITS & self._mask]
        while row != NONE:
            if self.keys[row] == key and self.slab.holds(self._texts[row], data):
                break
            row = self.chain[row]
        self._last, self._last_data, self._last_key, self._last_row = account, data, key, row

    def _place(self, data: bytes, key: int) -> int:
        if self.count > self._mask:
            self._rehash()
        text = self.slab.put(data)
        row = self._free
        if row != NONE:
            self._free = self.chain[row]
        else:
            row = self._used
            if row == len(self.keys):
                for column in (self.chain, self.keys, self._texts, self._issued):
                    column.frombytes(bytes(ROWS_STEP * column.itemsize))
                self.first.extend(array("i", [NONE]) * ROWS_STEP)
                self._plan_numbers.extend(array("H", [_NO_PLAN]) * ROWS_STEP)
            self._used = row + 1
        at = self.bucket(key)
        self.chain[row] = self.heads[at]
        self.heads[at] = row
        self.keys[row] = key
        self._texts[row] = text
        self.count += 1
        return row

    def _rehash(self) -> None:
        """Twice the buckets; the rows stay where they are."""
        self._mask = 2 * self._mask + 1
        self.heads = array("i", [NONE]) * (self._mask + 1)
        heads, chain, mask = self.heads, self.chain, self._mask
        for row in range(self._used):
            if self._texts[row]:
                at = self.keys[row] >> SHARD_BITS & mask
                chain[row] = heads[at]
                heads[at] = row
