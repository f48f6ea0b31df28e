"""Who is home of the accounts whose home has moved: one register an account, by row.

The statement with the highest (number, home, by, time) wins, so the join is a maximum. Only the
present home of an account writes the next number (georeg/region/moves.py), so no two regions ever
write the same one; the rest of the order is for bytes from outside.

Nothing is forgotten: whoever forgot that it has given a home away would lend its slots again.
`HOMES_MAX` bounds what moves; what is told by others is taken all the same.

Which of them stand in the own log is known, so that each is said once in an incarnation, however
often it is heard. Cost: nothing until a home of the shard moves, then 11 B a row.
"""

from array import array
from typing import Any, Final

from crdt.dots import REGION_MAX, RegionId
from crdt.errors import PeerError
from crdt.events import HomeSet
from crdt.fields import TIME_S_MAX, account_name, number

HOME: Final = 5
"""The number with which such an event begins (see codec.py)."""
MOVES_MAX: Final = (1 << 32) - 1
"""How often the home of one account can move."""
HOMES_MAX: Final = 65_536
"""Accounts of one shard whose home has moved; beyond it no further home moves here."""
_REGION_BITS: Final = 8


class Homes:
    """The columns of one account table."""

    __slots__ = ("_at_s", "_numbers", "_regions", "_said", "count")

    def __init__(self) -> None:
        self.count = 0
        self._regions = array("H")
        """home << 8 | by; 0: the home has not moved. Rows beyond the end have not either."""
        self._numbers = array("I")
        self._at_s = array("I")
        self._said = bytearray()

    def has(self, row: int) -> bool:
        """Whether the home of this row's account has moved."""
        return row < len(self._regions) and self._regions[row] != 0

    def home(self, row: int) -> int:
        """The region to which it has moved; 0: it has not."""
        return self._regions[row] >> _REGION_BITS if row < len(self._regions) else 0

    def get(self, row: int, account: str) -> HomeSet | None:
        """The statement that holds; None: the home has not moved."""
        if not self.has(row):
            return None
        home, by = divmod(self._regions[row], 1 << _REGION_BITS)
        number, at_s = self._numbers[row], self._at_s[row]
        return HomeSet(account, RegionId(home), number, RegionId(by), at_s)

    def join(self, row: int, update: HomeSet) -> bool:
        """Join a statement in. False, and nothing changes, unless it wins."""
        known = self.get(row, update.account)
        if known is not None and _order(update) <= _order(known):
            return False
        if row >= len(self._regions):
            missing = row + 1 - len(self._regions)
            for column in (self._regions, self._numbers, self._at_s):
                column.frombytes(bytes(missing * column.itemsize))
            self._said.extend(bytes(missing))
        self._said[row] = False
        self.count += known is None
        self._regions[row] = update.home << _REGION_BITS | update.by
        self._numbers[row], self._at_s[row] = update.number, update.at_s
        return True


    def say(self, row: int) -> bool:
        """Note that the statement goes into the own log. False: it stands there already."""
        is_new = not self._said[row]
        self._said[row] = True
        return is_new

    def begin(self) -> None:
        """The own log is a new one."""
        self._said = bytearray(len(self._said))


def _order(update: HomeSet) -> tuple[int, int, int, int]:
    return (update.number, update.home, update.by, update.at_s)


def plain_home(update: HomeSet) -> list[Any]:
    """As what msgpack packs. Raises PeerError when a field is out of bounds."""
    body = [HOME, *update]
    read_home(body)
    return body


def read_home(item: list[Any]) -> HomeSet:
    """The statement of an unpacked event. Raises PeerError."""
    if len(item) != 6:
        raise PeerError(f"a home set has 6 fields, got {len(item)}")
    _, account, home, moves, by, at_s = item
    return HomeSet(
        account_name(account),
        RegionId(number(home, 1, REGION_MAX, "home")),
        number(moves, 1, MOVES_MAX, "number of moves"),
        RegionId(number(by, 1, REGION_MAX, "home of before")),
        number(at_s, 0, TIME_S_MAX, "time"),
    )
