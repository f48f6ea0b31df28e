"""Nodes of a region whose cluster of Redis has lost a master: its slices go on from memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from georeg.nodes.registry import TTL_MS
from georeg.store.redis import RedisClient, RedisSettings, RedisTrouble
from tests.nodes.test_duties import SLICES, OneNode, until
from tests.redis_server import RedisCluster

pytestmark = pytest.mark.redis
FAILOVER_NEVER_MS = 60_000


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    cluster = RedisCluster(tmp_path, node_timeout_ms=FAILOVER_NEVER_MS).start()
    yield cluster
    cluster.stop()


@pytest.fixture
async def nodes(cluster: RedisCluster) -> AsyncIterator[tuple[OneNode, OneNode]]:
    """Two nodes, each of which says that it reaches the store."""
    a, b = (OneNode(RedisClient(RedisSettings.parse(cluster.url)), name) for name in "ab")
    a.others_can = b.others_can = True
    try:
        await asyncio.gather(*(answered(node.client) for node in (a, b)))
        await asyncio.gather(a.duties.open(), b.duties.open())
        await until(lambda: len(a.decides) == len(b.decides) == SLICES // 2, 10)
        yield a, b
    finally:
        for node in (a, b):
            await node.duties.close()
            await node.client.close()


async def answered(client: RedisClient) -> None:
    """Until the cluster, which has just begun, answers in time."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await client.check()
            except RedisTrouble:
                await asyncio.sleep(0.1)


def slot(tag: str) -> int:
    return key_slot(f"{{{tag}}}".encode())


async def test_slices_of_a_lost_master_are_run_all_along_though_the_others_reach_the_rest(
    nodes: tuple[OneNode, OneNode], cluster: RedisCluster
) -> None:
    registry = cluster.owner(slot("test:us"))
    victim = next(server for server in cluster.servers if server is not registry and any(
        cluster.owner(slot(f"test:us:{n}")) is server for n in range(SLICES)
    ))  # fmt: skip
    lost = [n for n in range(SLICES) if cluster.owner(slot(f"test:us:{n}")) is victim]
    assert 0 < len(lost) < SLICES
    victim.kill()
    loop = asyncio.get_running_loop()
    over_s = loop.time() + TTL_MS / 1000 + 1
    while loop.time() < over_s:
        decides = sorted(nodes[0].decides + nodes[1].decides)
        assert decides == list(range(SLICES)), "a slice was run by nobody"
        await asyncio.sleep(0.01)
    adrift = {number for node in nodes for number in node.runner.noted("adrift")}
    assert adrift == set(lost), "the others hold their locks"
