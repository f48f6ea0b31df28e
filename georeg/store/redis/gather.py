"""Commits of all slices of a node, gathered: one round trip for what came together.

A commit that comes while nothing is under way goes out with this turn of the loop; what comes
meanwhile shares the next one, not sooner than `gather_ms` after the last. So a node with many
slices and a thousand starts a second makes some 500 round trips, not a thousand. Redis nodes of a
cluster are waited for apart: one that hangs holds up its own slices only.

Cost: some 150 us of this process a round trip and 30 a slice in it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from georeg.store.redis.client import Arg, RedisClient
from georeg.store.redis.scripts import COMMIT

GATHER_MS: Final = 2.0


class Committer(Protocol):
    """Who has something to commit."""

    @property
    def keys(self) -> Sequence[str]:
        """The keys of its script; always the same, all with one tag."""

    def begin(self) -> Sequence[Arg]:
        """The arguments of its commit, as it goes out."""

    def end(self, answer: Any) -> None:
        """What the script has answered, or RedisTrouble."""


class Gatherer:
    """Brings commits to Redis; one for all slices of a node."""

    def __init__(self, client: RedisClient, gather_ms: float = GATHER_MS) -> None:
        self._client = client
        self._gather_s = gather_ms / 1000
        self._asked: dict[str, dict[Committer, None]] = {}
        """Redis node -> who has asked since the last round trip, in order."""
        self._begun_s: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def ask(self, committer: Committer) -> None:
        """Let it commit with the next round trip."""
        lane = self._client.node_of(committer.keys[0])
        self._asked.setdefault(lane, {})[committer] = None
        if lane not in self._tasks:
            self._tasks[lane] = asyncio.get_running_loop().create_task(self._serve(lane))

    async def close(self) -> None:
        """End what is under way; who has asked hears nothing more."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _serve(self, lane: str) -> None:
        """Make round trips for as long as somebody asks."""
        loop = asyncio.get_running_loop()
        try:
            while lane in self._asked:
                at_s = self._begun_s.get(lane, 0.0) + self._gather_s
                if (wait_s := at_s - loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                self._begun_s[lane] = loop.time()
                committers = self._asked.pop(lane)
                calls = [(committer.keys, committer.begin()) for committer in committers]
                answers = await self._client.run_all(COMMIT, calls)
                for committer, answer in zip(committers, answers, strict=True):
                    committer.end(answer)
        finally:
            del self._tasks[lane]
