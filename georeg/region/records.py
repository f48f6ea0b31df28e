"""Short records by account, for a while and within bounds: the memory behind `decisions.py`.

Invariant: a record is told for `keep_s` at most. Beyond `records_max` records the account about
which nothing was noted for longest loses its oldest. Beyond ACCOUNT_BYTES_MAX an account loses its
own oldest, some 200 records: one account in trouble never pushes out those of others.

Why bytes: all records of an account are one array, so that a million of them give the garbage
collector nothing to walk.
Forgetting follows what happens: what is too old to be told is out of memory after another `keep_s`.
"""

from collections import OrderedDict
from struct import Struct
from typing import Final

from georeg.region.ports import Clock

ACCOUNT_BYTES_MAX: Final = 16 * 1024
FORGET_MAX: Final = 256
"""Records of the accounts at rest that one tick forgets."""
_HEAD: Final = Struct("<HQ")
"""Bytes of the record with its head, and GAP; when it was made, monotonic ms."""
_GAP: Final = 1 << 15
"""In the first record of an account: earlier ones were dropped before their time."""


class Records:
    """The records of one region. Each is shorter than 32 KiB."""

    def __init__(self, clock: Clock, keep_s: int, records_max: int) -> None:
        self._clock = clock
        self._keep_ms = keep_s * 1000
        self._records_max = records_max
        self._accounts: OrderedDict[str, bytearray] = OrderedDict()
        """The account of which something was noted last is last."""
        self.count = 0
        self._pushed_out_ms = clock.now_ms()
        """Until when something was left out or dropped to make room, whatever the account."""

    def note(self, account: str, record: bytes) -> None:
        """Remember this of the account."""
        now_ms, accounts = self._clock.now_ms(), self._accounts
        record = _HEAD.pack(len(record) + _HEAD.size, now_ms) + record
        kept = accounts.get(account)
        self.count += 1
        if kept is None:
            accounts[account] = bytearray(record)
        else:
            accounts.move_to_end(account)
            kept += record
            if _HEAD.unpack_from(kept)[1] < now_ms - self._keep_ms:
                self._drop_first(account)  # at least as fast as new ones come
            while len(kept) > ACCOUNT_BYTES_MAX:
                self._drop_first(account)
                size, made_ms = _HEAD.unpack_from(kept)
                _HEAD.pack_into(kept, 0, size | _GAP, made_ms)
        if self.count > self._records_max:
            self._make_room()

    def of(self, account: str) -> list[bytes]:
        """What is remembered of an account, oldest first."""
        kept, oldest_ms = self._accounts.get(account, bytearray()), self._oldest_ms()
        found, at = [], 0
        while at < len(kept):
            size, made_ms = _HEAD.unpack_from(kept, at)
            end = at + (size & ~_GAP)
            if made_ms >= oldest_ms:
                found.append(bytes(kept[at + _HEAD.size : end]))
            at = end
        return found

    def complete_since_ms(self, account: str) -> int:
        """Monotonic: what was noted of the account since then is all remembered."""
        since_ms = max(self._pushed_out_ms, self._oldest_ms())
        kept = self._accounts.get(account)
        if kept:
            size, made_ms = _HEAD.unpack_from(kept)
            if size & _GAP:
                since_ms = max(since_ms, made_ms)
        return since_ms

    def bound(self, keep_s: int, records_max: int) -> None:
        """Other bounds from now on; what is too much by them is forgotten at once."""
        self._keep_ms, self._records_max = keep_s * 1000, records_max
        self._make_room()

    def clear(self) -> None:
        """Forget everything."""
        self._accounts.clear()
        self.count = 0
        self._pushed_out_ms = self._clock.now_ms()

    def tick(self) -> None:
        """Now and then: forget what is too old of the accounts at rest, some of it at a time."""
        oldest_ms = self._oldest_ms()
        for _ in range(FORGET_MAX):
            account = next(iter(self._accounts), None)
            if account is None or self._first_ms(account) >= oldest_ms:
                return
            self._drop_first(account)

    def _oldest_ms(self) -> int:
        return self._clock.now_ms() - self._keep_ms

    def _first_ms(self, account: str) -> int:
        made_ms: int = _HEAD.unpack_from(self._accounts[account])[1]
        return made_ms

    def _make_room(self) -> None:
        while self.count > self._records_max:
            account = next(iter(self._accounts))
            self._pushed_out_ms = max(self._pushed_out_ms, self._first_ms(account) + 1)
            self._drop_first(account)

    def _drop_first(self, account: str) -> None:
        kept = self._accounts[account]
        del kept[: _HEAD.unpack_from(kept)[0] & ~_GAP]
        self.count -= 1
        if not kept:
            del self._accounts[account]
