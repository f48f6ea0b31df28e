"""The nodes of a region, in its store: who lives, where it is reached, and what it runs.

Every node says so twice a second; who has not for TTL_MS is gone. What a node says it runs is a
hint for those who pass calls on: who may decide is settled by locks, and the higher fencing number
is the later word. Times are the store's own. Cost: one script of some 200 us a beat.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from georeg.nodes.drains import Word
from georeg.nodes.passing import Address
from georeg.store.redis import RedisClient
from georeg.store.redis.client import Arg, Script

TTL_MS: Final = 2_000
"""Of a node and of its locks. Longer: survives longer pauses; slices of a dead node wait longer."""
FORMAT: Final = 1
"""Of what a node says. Fields may be added at its end under the same number."""

# KEYS: nodes by expiry, what they say. ARGV: name, what it says, ttl in ms. Gives all that live.
_BEAT: Final = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[2], name)
end
return redis.call('HGETALL', KEYS[2])
""")

# KEYS: counter. A call that is sent again skips a number, which does no harm.
_NUMBER: Final = Script("return redis.call('INCR', KEYS[1])")


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """What a node says of itself."""

    address: Address
    is_leaving: bool = False
    """It gives its slices away and takes none; then it is gone."""
    fences: Mapping[int, int] = field(default_factory=dict)
    """Slices that it runs -> the fencing numbers of their locks."""
    beats: int = 0
    """How often it has said so; shows who lives, without comparing clocks."""
    sessions: int = 0
    """That live in its slices."""
    drain: Word = Word()
    """The latest that it has heard of a drain of the region."""

    def packed(self) -> bytes:
        """As it is stored."""
        address = self.address
        where = [address.edge_url, address.mesh_url, address.ops_url]
        packed: bytes = msgpack.packb(
            [
                FORMAT, *where, self.is_leaving, dict(self.fences), self.beats, self.sessions,
                self.drain,
            ]
        )  # fmt: skip
        return packed


def _entry(name: str, packed: bytes) -> NodeEntry | None:
    """What a node has said; None: it is of a release that says it in another way."""
    version, *said = msgpack.unpackb(packed, strict_map_key=False)
    if version != FORMAT:
        return None
    edge_url, mesh_url, ops_url, is_leaving, fences, beats, *later = said
    address = Address(name, edge_url, mesh_url, ops_url)
    sessions, drain = later[0] if later else 0, Word(*later[1]) if len(later) > 1 else Word()
    return NodeEntry(address, is_leaving, fences, beats, sessions, drain)


class Registry:
    """The nodes of one region."""

    def __init__(self, client: RedisClient, cluster: str, region: str) -> None:
        self._client = client
        self.tag: Final = f"{cluster}:{region}"
        """The hash tag of the region's own keys."""
        self._keys = [client.key(self.tag, "nodes"), client.key(self.tag, "node-entries")]

    async def number(self) -> int:
        """A number, from 1, that no other node of the region gets. Raises RedisTrouble."""
        return int(await self._client.run(_NUMBER, [self._client.key(self.tag, "node-number")]))

    async def beat(self, entry: NodeEntry) -> dict[str, NodeEntry]:
        """Say that this node lives; all that live, by name. Raises RedisTrouble."""
        args: list[Arg] = [entry.address.name, entry.packed(), TTL_MS]
        return _entries(await self._client.run(_BEAT, self._keys, args))


def _entries(flat: list[Any]) -> dict[str, NodeEntry]:
    said = {name.decode(): packed for name, packed in zip(flat[::2], flat[1::2], strict=True)}
    entries = {name: _entry(name, said[name]) for name in sorted(said)}
    return {name: entry for name, entry in entries.items() if entry is not None}
