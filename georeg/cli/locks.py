"""The locks of a fenced election, in Redis: the region's lock port over its client.

The rules (region/fenced.py) count a lock's time themselves, from when they asked; of Redis' answer
they need the fencing number only. Each lock has keys of its own, with the name of the cluster in
them: several clusters may share a Redis. What Redis must be for P8 stands in docs/operations.md.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from crdt.dots import RegionId
from georeg.region.ports import Locked
from georeg.store.redis import (
    Held,
    Holding,
    RedisClient,
    RedisLock,
    RedisSettings,
    RedisTrouble,
)

Then = Callable[[Locked], None]


class RedisLocks:
    """One process's locks. Used on one running loop; `close` at the end."""

    def __init__(self, settings: RedisSettings, cluster: str) -> None:
        """Opens no connection yet."""
        self._client = RedisClient(settings)
        self._cluster = cluster
        self._tasks: set[asyncio.Task[None]] = set()

    def acquire(self, seat: RegionId, owner: str, ttl_ms: int, above: int, then: Then) -> None:
        """Take the lock if it is free, under a number above `above` and all that it ever had."""

        async def ask() -> Locked:
            answer = await self._lock(seat, owner).acquire(ttl_ms, above)
            return Locked() if isinstance(answer, Held) else Locked(answer.fence)

        self._begin(ask(), then)

    def renew(self, seat: RegionId, owner: str, number: int, ttl_ms: int, then: Then) -> None:
        """Let the lock last on if this owner still holds it under this number."""

        async def ask() -> Locked:
            held = await self._lock(seat, owner).renew(Holding(number, 0), ttl_ms)
            return Locked(0 if held is None else held.fence)

        self._begin(ask(), then)

    def release(self, seat: RegionId, owner: str, number: int) -> None:
        """Let the lock go if this owner still holds it under this number."""

        async def ask() -> Locked:
            await self._lock(seat, owner).release(Holding(number, 0))
            return Locked()

        self._begin(ask(), lambda locked: None)  # if it fails, the lock runs out by itself

    async def close(self) -> None:
        """Let the calls that are under way end, each in its time; then close the connections."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._client.close()

    def _lock(self, seat: RegionId, owner: str) -> RedisLock:
        tag = f"{self._cluster}:home:{seat}"
        return RedisLock(self._client, tag, "seat", owner, lambda: 0)

    def _begin(self, ask: Coroutine[Any, Any, Locked], then: Then) -> None:
        async def run() -> None:
            try:
                answer = await ask
            except RedisTrouble as trouble:
                answer = Locked(error=str(trouble))
            then(answer)

        task = asyncio.get_running_loop().create_task(run(), name="lock")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
