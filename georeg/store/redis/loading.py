"""What a slice's data say when a node takes it over: read in bounded pieces, kept as bytes.

Read after the fence was moved up, so nothing changes meanwhile but by this node. What cannot be
read is left out and told; it is never believed, and costs nothing else.

Cost: 2 ms of Redis a thousand sessions, and their bytes in memory until the region has read them.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import structlog

from crdt.dots import REGION_MAX, RegionId
from crdt.events import Entry, HomeSet, Kick, PlanSet
from georeg.store.redis.client import RedisClient
from georeg.store.redis.records import (
    WRONG,
    read_heard,
    read_home,
    read_kick,
    read_plan,
    read_session,
    started_s,
)
from georeg.store.rows import key

COUNT: Final = 1_000
"""Fields asked for at once; of blocks, which are 2 KB each, fewer."""
BLOCKS: Final = 50
READ_AT_ONCE: Final = 200
"""Sessions that a region gets at once; to hold them on takes it some 6 ms."""
_PEER: Final = "peer:"

T = TypeVar("T")
log = structlog.get_logger("georeg.store")


class Loaded:
    """What was there; let go when the region has begun."""

    def __init__(self) -> None:
        self.kicks: list[Kick] = []
        self.plans: list[PlanSet] = []
        self.homes: list[HomeSet] = []
        self.peers: dict[RegionId, int] = {}
        self.blocks: set[int] = set()
        """Numbers of the blocks of times that are there."""
        self._sessions: dict[bytes, bytes] = {}
        self._order: list[bytes] = []
        self._heard_ms: dict[int, int] = {}

    @classmethod
    async def read(
        cls, client: RedisClient, keys: Sequence[str], meta: Sequence[bytes]
    ) -> "Loaded":
        """Read all. `meta`: as it was taken over. Raises RedisTrouble."""
        _, sessions, kicks, _, plans, heard, homes = keys
        loaded = cls()
        loaded.peers = _peers(meta)
        loaded.kicks = _read(await _scan(client, kicks, COUNT), read_kick, "kicks")
        loaded.plans = _read(await _scan(client, plans, COUNT), read_plan, "plans")
        loaded.homes = _read(await _scan(client, homes, COUNT), read_home, "homes")
        for field, block in (await _scan(client, heard, BLOCKS)).items():
            loaded.blocks.add(int(field))
            try:
                times = read_heard(block)
            except WRONG:
                continue  # those sessions are as if they had not been heard
            for session, heard_ms in times.items():
                loaded._heard_ms[session] = max(heard_ms, loaded._heard_ms.get(session, 0))
        loaded._sessions = await _scan(client, sessions, COUNT)
        loaded._order = sorted(loaded._sessions)
        return loaded

    def sessions(self, after: int) -> tuple[list[Entry], int | None, list[int]]:
        """Some sessions with ids above `after`, in order; the id after which there are more, None:
        that was all; and the ids of those that cannot be read."""
        first = 0
        while first < len(self._order) and int.from_bytes(self._order[first], "big") <= after:
            first += 1
        fields = self._order[first : first + READ_AT_ONCE]
        self._order = self._order[first + len(fields) :]
        found: list[Entry] = []
        wrong: list[int] = []
        for field in fields:
            try:
                found.append(read_session(field, self._sessions[field]))
            except WRONG:
                wrong.append(int.from_bytes(field, "big"))
        if wrong:
            log.error("journal_sessions_lost", error="not what was written", sessions=len(wrong))
        return found, int.from_bytes(fields[-1], "big") if self._order else None, wrong

    def heard_ms(self, session: int) -> int | None:
        """When the device of a session that is there was last heard, on Redis' clock; None: not
        known, or it has ended, and only others have not heard of that.

        A start counts where no block names the session yet: what is stored late, since Redis was
        away, seems to have started late.
        """
        value = self._sessions.get(key(session))
        if value is None:
            return None
        return self._heard_ms.get(session, started_s(value) * 1000 or None)

    def let_go(self) -> None:
        """The region has begun, and knows all that for itself."""
        self.kicks, self.plans, self.homes = [], [], []
        self.blocks.clear()
        self._sessions.clear()
        self._heard_ms.clear()


async def _scan(client: RedisClient, name: str, count: int) -> dict[bytes, bytes]:
    """All fields of a hash, a piece at a time."""
    found: dict[bytes, bytes] = {}
    cursor = b"0"
    while True:
        (answer,) = await client.read([("HSCAN", name, cursor, "COUNT", count)])
        cursor, fields = _cursor(answer)
        found |= fields
        if cursor == b"0":
            return found


def _cursor(answer: Sequence[object]) -> tuple[bytes, dict[bytes, bytes]]:
    """redis-py gives a cursor as a number, and the fields as a dict or as a flat list."""
    cursor, fields = answer
    if isinstance(fields, dict):
        return str(cursor).encode(), fields
    assert isinstance(fields, list)
    return str(cursor).encode(), dict(zip(fields[::2], fields[1::2], strict=True))


def _peers(meta: Sequence[bytes]) -> dict[RegionId, int]:
    facts = dict(zip(meta[::2], meta[1::2], strict=True))
    found: dict[RegionId, int] = {}
    for name, value in sorted(facts.items()):
        number = name.decode(errors="replace").partition(_PEER)[2]
        if number.isdigit() and 0 < int(number) <= REGION_MAX and value.isdigit():
            found[RegionId(int(number))] = int(value)
    return found


def _read(fields: dict[bytes, bytes], read: Callable[[bytes, bytes], T], what: str) -> list[T]:
    """The events in the fields of a hash, ordered by field."""
    found: list[T] = []
    wrong = 0
    for field, value in sorted(fields.items()):
        try:
            found.append(read(field, value))
        except WRONG:
            wrong += 1
    if wrong:
        log.error("journal_records_lost", error="not what was written", what=what, records=wrong)
    return found
