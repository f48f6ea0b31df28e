"""Calls to Redis: one server, the master of its sentinels, or a cluster; all look the same here.

Invariant: a call ends within `timeout_ms`, with its answer or with RedisTrouble in one line for
people. A connection that broke is opened anew with the next call, and a call that failed because of
it is sent once more, so it may be run twice: every script and command of this package is written so
that twice is as once.

Scripts run by hash. A server that does not know one (restarted, failed over, another node of the
cluster) gets its text with the same call, and knows it from then on. All keys of a call share one
hash tag, so that they are in one slot of a cluster.

Cost: 150 to 250 us of this process a call; whoever has many things to say gathers them into one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from georeg.store.redis.address import Kind, RedisSettings
from georeg.store.redis.cluster import CalmCluster
from georeg.store.redis.errors import RedisEvicts, RedisTooOld, RedisTrouble
from georeg.store.redis.words import WRONG, in_words

VERSION_MIN: Final = 7
CONNECTIONS_MAX: Final = 64
"""Calls under way at once, each on a connection of its own; further ones wait for one of them."""
_PAUSE_S: Final = 0.02
"""Before a call is sent again; a cluster has moved its slots, or a server is back, no sooner."""

Arg = str | bytes | int


class Script:
    """A Lua script, known by the SHA-1 of its text."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.sha: Final = sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisClient:
    """The connections of one process to its region's Redis. Used on one event loop."""

    def __init__(self, settings: RedisSettings) -> None:
        """Opens no connection yet."""
        self.settings: Final = settings
        self._redis, self._sentinel = _redis(settings)
        self._timeout_s = settings.timeout_ms / 1000
        self._free = asyncio.Semaphore(CONNECTIONS_MAX)

    @classmethod
    async def connect(cls, settings: RedisSettings) -> "RedisClient":
        """A client whose Redis answers and is fit for use. Raises what `check` does."""
        client = cls(settings)
        try:
            await client.check()
        except BaseException:
            await client.close()
            raise
        return client

    async def check(self) -> str:
        """The server's version. Raises RedisTooOld, RedisEvicts or RedisTrouble."""
        version = str((await self._info("server")).get("redis_version", "0"))
        if int(version.partition(".")[0]) < VERSION_MIN:
            raise RedisTooOld(f"Redis at {self.settings} is {version}; georeg needs 7.0 or newer")
        policy = str((await self._info("memory")).get("maxmemory_policy", ""))
        if policy.startswith("allkeys"):
            raise RedisEvicts(
                f"Redis at {self.settings} throws keys away when it is full (maxmemory-policy "
                f"{policy}); set it to noeviction"
            )
        return version

    def key(self, tag: str, name: str) -> str:
        """A key; those with the same tag are in the same slot of a cluster."""
        assert not set(tag) & set("{}")
        return f"{self.settings.prefix}:{{{tag}}}:{name}"

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        """Run a script whose keys share a tag; it may be run twice. Raises RedisTrouble."""
        return await self._told(lambda: self._run(script, keys, args))

    async def run_all(
        self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Arg]]]
    ) -> list[Any]:
        """Run a script several times in one round trip: an answer or RedisTrouble for each."""

        async def ask() -> list[Any]:
            pipeline = self._redis.pipeline(transaction=False)
            for keys, args in calls:
                pipeline.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers

        try:
            answers: list[Any] = await self._told(ask)
        except RedisTrouble as trouble:
            return [trouble] * len(calls)
        for number, answer in enumerate(answers):
            if isinstance(answer, NoScriptError):
                try:
                    answers[number] = await self.run(script, *calls[number])
                except RedisTrouble as trouble:
                    answers[number] = trouble
            elif isinstance(answer, BaseException):
                answers[number] = self._trouble(answer)
        return answers

    def node_of(self, key: str) -> str:
        """Which server has the key, as far as is known: what is sent to one goes as one."""
        if self.settings.kind is not Kind.CLUSTER:
            return ""
        try:
            return str(self._redis.get_node_from_key(key).name)
        except WRONG:
            return ""  # it is learned with the next call

    async def read(self, commands: Sequence[tuple[Arg, ...]]) -> list[Any]:
        """The answers to commands that change nothing, in one round trip. Raises RedisTrouble.

        Their keys share a tag, so that in a cluster they are asked of one node.
        """

        async def ask() -> list[Any]:
            pipeline = self._redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute()
            return answers

        answers: list[Any] = await self._told(ask) if commands else []
        return answers

    async def close(self) -> None:
        """Close all connections; nothing is sent any more."""
        if isinstance(self._redis, CalmCluster):
            await self._redis.close()
        else:
            await self._redis.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()

    async def _info(self, section: str) -> dict[str, Any]:
        redis = self._redis
        info: dict[str, Any] = await self._told(lambda: redis.execute_command("INFO", section))
        # A cluster's client answers for each node that it asked.
        by_node = [facts for facts in info.values() if isinstance(facts, dict)]
        return by_node[0] if len(by_node) == len(info) else info

    async def _run(self, script: Script, keys: Sequence[str], args: Sequence[Arg]) -> Any:
        try:
            return await self._redis.execute_command(
                "EVALSHA", script.sha, len(keys), *keys, *args
            )
        except NoScriptError:
            return await self._redis.execute_command("EVAL", script.text, len(keys), *keys, *args)

    async def _told(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make a call, for no longer than is allowed; say in our words what went wrong."""
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                return await call()
        except WRONG as error:
            trouble = self._trouble(error)
        # Outside of `except`: redis-py's own error may quote what was sent.
        raise trouble

    def _trouble(self, error: BaseException) -> RedisTrouble:
        words = in_words(error, self.settings.timeout_ms)
        return RedisTrouble(f"Redis at {self.settings} {words}")


def _redis(settings: RedisSettings) -> tuple[Any, Sentinel | None]:
    """redis-py's client of each kind. It has no types that are worth anything here."""
    options: dict[str, Any] = {
        # The deadline of a call is the client's own: one over all that redis-py may do for it.
        "socket_timeout": None,
        "socket_connect_timeout": settings.timeout_ms / 1000,
        # RESP2: nothing is pushed, and redis-py asks for no notifications of maintenance.
        "protocol": 2,
        "username": settings.user or None,
        "password": settings.password or None,
        "max_connections": CONNECTIONS_MAX,
    }
    tls: dict[str, Any] = {}
    if settings.is_tls:
        tls = {"ssl": True, "ssl_ca_certs": settings.ca_file and str(settings.ca_file)}
    once = Retry(ConstantBackoff(_PAUSE_S), 1, supported_errors=(RedisConnectionError,))
    if settings.kind is Kind.CLUSTER:
        # Each attempt may learn anew who has the slot; the deadline bounds them.
        often = Retry(ConstantBackoff(_PAUSE_S), 10, supported_errors=(RedisConnectionError,))
        nodes = [ClusterNode(host, port) for host, port in settings.hosts]
        return CalmCluster(startup_nodes=nodes, retry=often, **options, **tls), None
    if settings.kind is Kind.SENTINEL:
        whom = {"socket_connect_timeout": options["socket_connect_timeout"], "protocol": 2}
        sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            settings.hosts, sentinel_kwargs=whom | tls
        )
        master = sentinel.master_for(settings.service, retry=once, **options, **tls)
        return master, sentinel
    host, port = settings.hosts[0]
    return Redis(host=host, port=port, db=settings.database, retry=once, **options, **tls), None
