"""Who may do something alone: a lock in Redis with a fencing number.

Invariant: at no instant do two owners believe that they hold a lock, as long as Redis keeps what it
was told and clocks drift by at most DRIFT: Redis counts the lease from when it runs the call, the
holder from when it *sent* it, on its own monotonic clock and shortened by the drift. Where Redis
loses the lock (data lost, failover to a replica that had not heard of it), two may believe it; what
they write is kept apart by the fencing number, which whatever they write to must check.

The number grows with each `acquire`, also by the same owner, and is above `at_least`: the highest
that the caller has seen. So it goes on growing after Redis has lost it, if those who ask remember.

An acquire or renewal whose answer is lost may have happened; it is simply asked again. Source: M.
Kleppmann, "How to do distributed locking", 2016. Cost: one script a call, some 200 us;
renewals that come together share that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from georeg.store.redis.client import Arg, RedisClient, Script
from georeg.store.redis.together import Together

DRIFT: Final = 0.02
"""Largest difference in speed between two clocks, as in the budgets' leases."""

# KEYS: lock, fence. ARGV: owner, ttl in ms, at_least. Gives {fence} or {0, owner, ms left}.
_ACQUIRE: Final = Script("""
local lock = redis.call('GET', KEYS[1])
if lock then
  local holder = string.match(lock, '^%d+ (.*)$')
  if holder ~= ARGV[1] then return {0, holder, redis.call('PTTL', KEYS[1])} end
end
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local fence = string.format('%.0f', math.max(last, tonumber(ARGV[3])) + 1)
redis.call('SET', KEYS[2], fence)
redis.call('SET', KEYS[1], fence .. ' ' .. ARGV[1], 'PX', ARGV[2])
return {tonumber(fence)}
""")

# KEYS: lock. ARGV: owner, fence, ttl in ms. Gives 1, or 0 when another holds it, or nobody.
_RENEW: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[2] .. ' ' .. ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
""")

# KEYS: lock. ARGV: owner, fence.
_RELEASE: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[2] .. ' ' .. ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")


class Held(NamedTuple):
    """Another owner holds the lock."""

    owner: str
    left_ms: int
    """Until it is free, unless it is renewed."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The lock is held by the caller."""

    fence: int
    until_ms: int
    """On the caller's monotonic clock: from then on it may not believe that it holds the lock."""


class RedisLock:
    """One lock, for one owner."""

    def __init__(
        self,
        client: RedisClient,
        tag: str,
        name: str,
        owner: str,
        now_ms: Callable[[], int],
        renewals: Together | None = None,
    ) -> None:
        """`tag`: the hash tag of its keys. `owner`: unique among all processes, also over time.

        `now_ms`: monotonic; it must go on while the process is paused. `renewals`: shared by locks
        that are renewed together; see `renewals_of`.
        """
        assert owner
        self._client = client
        self._keys = [client.key(tag, f"lock:{name}"), client.key(tag, f"fence:{name}")]
        self._owner = owner
        self._now_ms = now_ms
        self._renewals = renewals or renewals_of(client)

    async def acquire(self, ttl_ms: int, at_least: int = 0) -> Holding | Held:
        """Take the lock if it is free or the owner's own. Raises RedisTrouble."""
        sent_ms = self._now_ms()
        answer = await self._client.run(_ACQUIRE, self._keys, [self._owner, ttl_ms, at_least])
        if answer[0] == 0:
            return Held(answer[1].decode(errors="replace"), max(0, answer[2]))
        return Holding(answer[0], sent_ms + _shortened(ttl_ms))

    async def renew(self, holding: Holding, ttl_ms: int) -> Holding | None:
        """Hold it for longer. None: it is lost, to another or because it expired; the holder must
        stop at once. Raises RedisTrouble: it is held until the old deadline at any rate."""
        sent_ms = self._now_ms()
        args: list[Arg] = [self._owner, holding.fence, ttl_ms]
        if not await self._renewals.run(self._keys[:1], args):
            return None
        return Holding(holding.fence, sent_ms + _shortened(ttl_ms))

    async def release(self, holding: Holding) -> None:
        """Give it up, if it is still held. Raises RedisTrouble: then it expires."""
        await self._client.run(_RELEASE, self._keys[:1], [self._owner, holding.fence])


def renewals_of(client: RedisClient) -> Together:
    """For locks that share it: renewed in the same turn of the loop, they share a round trip."""
    return Together(client, _RENEW)


def _shortened(ttl_ms: int) -> int:
    return int(ttl_ms * (1 - DRIFT))
