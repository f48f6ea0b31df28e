"""One shard's sessions in columns: every dot of every region, without an object per session.

A row is a number. What is searched or swept is in columns of its own; the rest of a session is one
packed record of 31 bytes, written and read in one call. Rows of one account are chained from
`AccountTable.first`; texts are in a slab, names and kinds of devices interned. `heard` is when the
device was last heard, on this region's monotonic clock; NEVER marks what other regions hold. With
it go `marks` and `paces`, three bytes: which token was shown last, and how far the device is ahead
of its pace (region/clones.py). None of the three is ever replicated.

Invariants: one row per dot, and its content never changes (a dot joins with itself by equality; a
difference is a double-spent dot); per region the XOR of the mixed dots follows every change; rows
of a chain belong to the chain's account, free rows have dot 0 and heard NEVER.

Why: a million slotted objects cost 300 MB and a collection pause of 200 ms; these columns cost
about 110 bytes a session with its account, and nothing to collect. Cost: to insert, find or remove,
a hash step and a walk over the account's own sessions; never the size of the set.
"""

from array import array
from collections.abc import Container
from struct import Struct
from typing import Final
from zlib import crc32

from crdt.accounts import NONE, ROWS_STEP, AccountTable
from crdt.digest import mix
from crdt.dots import REGION_MAX, SHARD_BITS, RegionId
from crdt.errors import PeerError
from crdt.events import Device, Entry
from crdt.interner import FULL, Interner

NEVER: Final = (1 << 64) - 1
"""`heard_ms` of a row that another region holds."""

_RECORD: Final = Struct("<iQQHBHHI")
"""Account row, start ms, place ms, hop, flags, number of the name, of the kind, text."""
_FLAGS_AT: Final = 22
_PROVISIONAL: Final = 1
_UNCONFIRMED: Final = 2
_SETTLED: Final = 4
_INLINE: Final = 8
"""The device's name and kind stand in the row's own text: the interner was full."""

_MARK: Final = b"\xff"
"""Between the parts of a row's text: a byte that UTF-8 never uses."""


class SessionSet:
    """The dots of one shard. `labels` may be shared by the sets of all shards."""

    __slots__ = (
        "_accounts", "_counts", "_free", "_hashes", "_labels", "_next", "_records", "_used",
        "count", "deadlines_s", "dots", "heard", "heard_since_ms", "marks", "own_count", "paces",
        "sessions",
    )  # fmt: skip

    def __init__(self, accounts: AccountTable, labels: Interner[str] | None = None) -> None:
        self._accounts = accounts
        self._labels: Interner[str] = Interner() if labels is None else labels
        self.count = 0
        """Rows in use."""
        self.own_count = 0
        """Rows that this region holds."""
        self.dots = array("Q")
        self.sessions = array("Q")
        self.heard = array("Q")
        """Own monotonic ms of the last heartbeat; whoever renews a session writes a later one."""
        self.heard_since_ms = NEVER
        """No own row was last heard before this: as of the last look at all rows together."""
        self.marks = array("H")
        """Mark of the token that was shown last, 0: none yet; written as `heard` is."""
        self.paces = array("B")
        self.deadlines_s = array("I")
        """Hard deadlines, wall-clock seconds."""
        self._next = array("i")
        self._records = bytearray()
        self._used = 0
        self._free = NONE
        self._hashes = array("Q", [0]) * (REGION_MAX + 1)
        self._counts = array("I", [0]) * (REGION_MAX + 1)

    @property
    def capacity(self) -> int:
        """Rows that were ever used, free ones included: where a sweep ends."""
        return self._used

    # ---- changing ----------------------------------------------------------------------------

    def insert(self, entry: Entry, heard_ms: int = NEVER, *, is_settled: bool = False) -> int:
        """Add one dot and return its row. The same entry again changes nothing.

        `heard_ms`: NEVER for what another region holds. `is_settled`: see `settle`. Raises
        PeerError when the account has this dot with another content.
        """
        (
            dot, session, account, device, title, started_ms, placed_ms, deadline_s, hop,
            provisional, unconfirmed,
        ) = entry  # fmt: skip
        accounts = self._accounts
        owner = accounts.intern(account)
        first = row = accounts.first[owner]
        while row != NONE:
            if self.dots[row] == dot:
                if self.entry(row) != entry:
                    raise PeerError(f"dot {dot:#x} names two sessions: double-spent dot")
                return row
            row = self._next[row]
        row = self._free
        if row == NONE:
            row = self._new_row()
        else:
            self._free = self._next[row]
            self.marks[row] = self.paces[row] = 0
        device_id, name, kind = device
        flags = provisional * _PROVISIONAL | unconfirmed * _UNCONFIRMED | is_settled * _SETTLED
        text = device_id.encode()
        if title:
            text += _MARK + title.encode()
        name_number = self._labels.take(name)
        kind_number = self._labels.take(kind)
        if name_number == FULL or kind_number == FULL:
            self._drop_labels(name_number, kind_number)
            flags |= _INLINE
            text = _MARK.join(part.encode() for part in (device_id, name, kind, title))
        self.dots[row] = dot
        self.sessions[row] = session
        self.heard[row] = heard_ms
        if heard_ms < self.heard_since_ms:
            self.heard_since_ms = heard_ms
        self._next[row] = first
        self.deadlines_s[row] = deadline_s
        _RECORD.pack_into(
            self._records, row * _RECORD.size,
            owner, started_ms, placed_ms, hop, flags, name_number, kind_number,
            accounts.slab.put(text),
        )  # fmt: skip
        accounts.first[owner] = row
        self._hashes[dot >> 56] ^= mix(dot)
        self._counts[dot >> 56] += 1
        self.count += 1
        if heard_ms != NEVER:
            self.own_count += 1
        return row

    def remove(self, account: str, dot: int) -> bool:
        """Remove one dot. False when the account does not have it."""
        row = self.row_of(account, dot)
        if row == NONE:
            return False
        self.remove_row(row)
        return True

    def remove_row(self, row: int) -> None:
        """Remove the dot in this row."""
        owner, _, _, _, flags, name_number, kind_number, text = _RECORD.unpack_from(
            self._records, row * _RECORD.size
        )
        accounts = self._accounts
        before = accounts.first[owner]
        if before == row:
            accounts.first[owner] = self._next[row]
        else:
            while self._next[before] != row:
                before = self._next[before]
            self._next[before] = self._next[row]
        accounts.slab.free(text)
        if not flags & _INLINE:
            self._labels.drop(name_number)
            self._labels.drop(kind_number)
        dot = self.dots[row]
        self._hashes[dot >> 56] ^= mix(dot)
        self._counts[dot >> 56] -= 1
        self.count -= 1
        if self.heard[row] != NEVER:
            self.own_count -= 1
        self.dots[row] = 0
        self.heard[row] = NEVER
        self._next[row] = self._free
        self._free = row
        accounts.prune(owner)

    def drop_writer(self, region: RegionId) -> int:
        """Remove every dot of one region; returns how many. Walks the whole set."""
        rows = self.rows_of(region)
        for row in rows:
            self.remove_row(row)
        assert self.hash_of(region) == 0
        return len(rows)

    def settle(self, row: int) -> None:
        """Note that a grant covered this session."""
        self._records[row * _RECORD.size + _FLAGS_AT] |= _SETTLED

    # ---- looking -----------------------------------------------------------------------------

    def own_row(self, account: str, session: int) -> int:
        """The row of a session that this region holds, or NONE: the fast path of a heartbeat."""
        return self.own_row_by_key(crc32(account.encode()), session)

    def own_row_by_key(self, key: int, session: int) -> int:
        """The same by the CRC-32 of the account's UTF-8.

        That tells accounts apart well enough here: a session id is unique in its cluster, so the
        account only says where to look.
        """
        accounts = self._accounts
        at = accounts.heads[key >> SHARD_BITS & len(accounts.heads) - 1]
        while at != NONE:
            if accounts.keys[at] == key:
                row = accounts.first[at]
                while row != NONE:
                    if self.sessions[row] == session and self.heard[row] != NEVER:
                        return row
                    row = self._next[row]
            at = accounts.chain[at]
        return NONE

    def row_of(self, account: str, dot: int) -> int:
        """The row of a dot, or NONE when the account does not have it."""
        at = self._accounts.find(account)
        row = NONE if at == NONE else self._accounts.first[at]
        while row != NONE and self.dots[row] != dot:
            row = self._next[row]
        return row

    def rows(self, account: str) -> list[int]:
        """The rows of an account, the latest insert first."""
        at = self._accounts.find(account)
        return [] if at == NONE else self.rows_at(at)

    def rows_at(self, account_row: int) -> list[int]:
        """The same for an account whose row is known."""
        row = self._accounts.first[account_row]
        rows = []
        while row != NONE:
            rows.append(row)
            row = self._next[row]
        return rows

    def has_several(self, account: str) -> bool:
        """Whether the account has more than one row."""
        at = self._accounts.find(account)
        row = NONE if at == NONE else self._accounts.first[at]
        return row != NONE and self._next[row] != NONE

    def has_any_of(self, account: str, regions: Container[RegionId]) -> bool:
        """Whether one of these regions has a dot of the account."""
        return any(self.dots[row] >> 56 in regions for row in self.rows(account))

    def rows_of(self, region: RegionId) -> list[int]:
        """The rows of one region's dots, ordered by dot. Walks the whole set."""
        low, high = region << 56, (region + 1) << 56
        dots = self.dots
        rows = [row for row, dot in enumerate(dots) if low <= dot < high]
        rows.sort(key=dots.__getitem__)
        return rows

    def holder(self, account: str, session: int) -> tuple[int, int]:
        """The highest (hop, dot) of a session, (0, 0) when it has none: who holds it."""
        highest = (0, 0)
        for row in self.rows(account):
            if self.sessions[row] == session:
                hop = _RECORD.unpack_from(self._records, row * _RECORD.size)[3]
                highest = max(highest, (hop, self.dots[row]))
        return highest

    def entry(self, row: int, account: str | None = None) -> Entry:
        """The content of a row. `account`: whose row it is, from whoever knows."""
        owner, started_ms, placed_ms, hop, flags, name_number, kind_number, text = (
            _RECORD.unpack_from(self._records, row * _RECORD.size)
        )
        device_id, _, rest = self._accounts.slab.get(text).partition(_MARK)
        if flags & _INLINE:
            name, kind, title = (part.decode() for part in rest.split(_MARK))
        else:
            title = rest.decode()
            name = self._labels.value(name_number)
            kind = self._labels.value(kind_number)
        return Entry(
            self.dots[row],  # type: ignore[arg-type]  # a column has numbers only
            self.sessions[row],  # type: ignore[arg-type]  # the same
            self._accounts.account(owner) if account is None else account,
            Device(device_id.decode(), name, kind),
            title,
            started_ms,
            placed_ms,
            self.deadlines_s[row],
            hop,
            flags & _PROVISIONAL != 0,
            flags & _UNCONFIRMED != 0,
        )

    def is_settled(self, row: int) -> bool:
        """Whether a grant covered this session at least once."""
        return self._records[row * _RECORD.size + _FLAGS_AT] & _SETTLED != 0

    def is_unconfirmed(self, row: int) -> bool:
        """Whether the session was re-minted after a restart and its device not heard since."""
        return self._records[row * _RECORD.size + _FLAGS_AT] & _UNCONFIRMED != 0

    def hash_of(self, region: RegionId) -> int:
        """The hash of the set of one region's dots (see digest.py); 0 when it has none."""
        return self._hashes[region]

    def count_of(self, region: RegionId) -> int:
        """How many dots of one region are there."""
        return self._counts[region]

    def counts_at(self, account_row: int) -> dict[int, int]:
        """Region -> dots of the account in this row; nothing is decoded."""
        counts: dict[int, int] = {}
        row = self._accounts.first[account_row]
        while row != NONE:
            region = self.dots[row] >> 56
            counts[region] = counts.get(region, 0) + 1
            row = self._next[row]
        return counts

    # ---- rows --------------------------------------------------------------------------------

    def _new_row(self) -> int:
        row = self._used
        if row == len(self.dots):
            for column in (
                self.dots, self.sessions, self.marks, self.paces, self._next, self.deadlines_s,
            ):  # fmt: skip
                column.frombytes(bytes(ROWS_STEP * column.itemsize))
            self.heard.extend(array("Q", [NEVER]) * ROWS_STEP)
            self._records += bytes(ROWS_STEP * _RECORD.size)
        self._used = row + 1
        return row

    def _drop_labels(self, *numbers: int) -> None:
        for number in numbers:
            if number != FULL:
                self._labels.drop(number)
