"""What calls to the servers of a cluster that live notice of one that is dead: nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from georeg.store.redis import RedisClient, RedisSettings, RedisTrouble
from georeg.store.redis.client import Script
from tests.redis_server import RedisCluster, RedisServer

pytestmark = pytest.mark.redis
SET = Script("return redis.call('SET', KEYS[1], ARGV[1])")
FAILOVER_NEVER_MS = 60_000


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    cluster = RedisCluster(tmp_path, node_timeout_ms=FAILOVER_NEVER_MS).start()
    yield cluster
    cluster.stop()


@pytest.fixture
async def client(cluster: RedisCluster) -> AsyncIterator[RedisClient]:
    client = await RedisClient.connect(RedisSettings.parse(cluster.url))
    yield client
    await client.close()


def layouts_asked(servers: list[RedisServer]) -> int:
    """How often the servers were asked for the layout of the cluster."""
    asked = 0
    for server in servers:
        stats = server.cli("INFO", "commandstats").partition("cmdstat_cluster|slots:calls=")[2]
        asked += int(stats.partition(",")[0] or "0")
    return asked


async def test_they_wait_for_nothing_and_the_layout_is_not_learned_again_and_again(
    client: RedisClient, cluster: RedisCluster
) -> None:
    keys = [client.key(f"t:us:{n}", "x") for n in range(30)]
    for key in keys:
        await client.run(SET, [key], ["before"])
    dead, *living = cluster.servers
    of_dead = [key for key in keys if cluster.owner(key_slot(key.encode())) is dead]
    others = [key for key in keys if key not in of_dead]
    before = layouts_asked(living)
    dead.kill()

    async def commit(key: str) -> bool:
        (answer,) = await client.run_all(SET, [([key], ["since"])])
        return isinstance(answer, RedisTrouble)

    async def run(key: str) -> bool:
        try:
            await client.run(SET, [key], ["since"])
        except RedisTrouble:
            return True
        return False

    answers = asyncio.gather(*(call(key) for key in of_dead for call in (commit, run)))
    while not answers.done():
        for key in others:
            await client.run(SET, [key], ["meanwhile"])
    assert all(await answers), "nobody had those keys"
    asked = layouts_asked(living) - before
    assert asked < 12, "all together learn it some five times in 500 ms"
