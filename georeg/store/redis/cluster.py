"""redis-py's client of a cluster, which leaves the others alone when one server is lost.

As redis-py has it, a call that fails closes the connections to all servers, under the hands of
those who wait for answers there, makes every later call wait until the layout has been learned
anew, and learns it again before each of its own attempts. So a master that is dead, until its
replica takes over, holds up what the other masters have to say.

Invariant: whoever calls a server that answers does not notice that another one does not. Only who
has failed waits for the new layout, which all learn together and not more often than LEARN_S.
Cost: 4 ms of this process each time, and redis-py opens each connection anew after its next answer.
"""

import asyncio
from typing import Any, Final

from redis.asyncio import RedisCluster

from georeg.store.redis.words import WRONG

LEARN_S: Final = 0.1
"""A failover takes a second or more; who has failed tries again a few times within its deadline."""


class CalmCluster(RedisCluster):
    """Overrides what redis-py calls: `initialize` before each call, `aclose` after errors."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._knows_layout = False
        self._learning: asyncio.Task[None] | None = None
        self._learned_s = 0.0

    async def initialize(
        self, additional_startup_nodes_info: Any = None, last_failed_node_name: str | None = None
    ) -> "CalmCluster":
        """Learn the layout; once it is known, only who has failed waits for a newer one."""
        if not self._knows_layout:
            _ = await super().initialize(additional_startup_nodes_info, last_failed_node_name)
            self._knows_layout = True
            self._learned_s = asyncio.get_running_loop().time()
        elif self._initialize:
            learning = self._learn(last_failed_node_name)
            if last_failed_node_name is not None:
                # Shielded: whose deadline is over must not take it from the others.
                await asyncio.shield(learning)
        return self

    async def aclose(self) -> None:
        """Learn the layout anew, and close nothing."""
        self._initialize = True
        if self._knows_layout:
            _ = self._learn(None)

    async def close(self) -> None:
        """Close all connections; nothing is sent any more."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.wait((self._learning,))
        self._initialize = True
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")

    def _learn(self, failed: str | None) -> "asyncio.Task[None]":
        """Learn it soon, together with all who ask meanwhile. `failed`: is asked last."""
        if self._learning is None:
            self._learning = asyncio.get_running_loop().create_task(self._learn_soon(failed))
        return self._learning

    async def _learn_soon(self, failed: str | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(max(0.0, self._learned_s + LEARN_S - loop.time()))
            await self.nodes_manager.initialize(last_failed_node_name=failed)
            self._initialize = False
        except WRONG:
            pass  # nobody tells; what is known is tried again, and fails or not
        finally:
            self._learned_s = loop.time()
            self._learning = None
