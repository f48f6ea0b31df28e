"""A region of two nodes whose Redis loses a master: no stream notices, and no slot leaks."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from redis.crc import key_slot

from tests.e2e.cluster import Cluster, running
from tests.e2e.crowd import HEARTBEAT_S, Crowd
from tests.redis_guarded import GuardedRedis
from tests.redis_server import RedisCluster

pytestmark = [pytest.mark.redis, pytest.mark.slow]
SLICES = 4
LEASE_S = 6.0
NORMAL_S = 10.0
"""From the kill of a master; the failover itself takes most of it."""
TAKEN_OVER_S = 3.0
STARTED_S = 1.0
"""Far above a start's deadline of 80 ms: machines that run tests are busy."""


@asynccontextmanager
async def crowded(
    cluster: Cluster, act: Callable[[Crowd], Awaitable[None]]
) -> AsyncIterator[Crowd]:
    """A crowd that nothing was missed by while `act` was done to the region."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        crowd = Crowd(http, cluster["us"].nodes, "failover")
        async with asyncio.TaskGroup() as group:
            group.create_task(crowd.live(players=80, zappers=6, kicked=4, intruders=2))
            await asyncio.sleep(2 * HEARTBEAT_S)
            crowd.starts_s.clear()  # all at once as they begin
            await act(crowd)
            crowd.is_over = True
        assert crowd.missed == []
        assert max(crowd.starts_s) < STARTED_S
        assert crowd.counts["start 201 unchecked"] > 0, "the store was never missed"
        yield crowd
    assert cluster.troubles == []


async def until_normal(crowd: Crowd) -> None:
    """Return when the region is as before."""
    end_s = time.monotonic() + NORMAL_S
    while not await crowd.is_normal():
        assert time.monotonic() < end_s, f"not normal after {NORMAL_S:g} s: {crowd.counts}"
        await asyncio.sleep(0.1)


async def test_no_stream_notices_that_a_master_is_killed_whose_replica_knew_of_none(
    tmp_path: Path,
) -> None:
    """The worst that replication behind time can do; the nodes tell the replica all they know."""
    store = GuardedRedis(tmp_path, down_after_ms=500).start()
    try:
        with running(
            tmp_path, names=("us",), nodes=2, lease_s=LEASE_S, store_urls={"us": store.url}
        ) as cluster:

            async def fail_over(crowd: Crowd) -> None:
                store.master.kill()
                await until_normal(crowd)
                assert store.has_failed_over()
                await asyncio.sleep(HEARTBEAT_S)

            store.replica.cli("REPLICAOF", "127.0.0.1", "1")  # cut off
            async with crowded(cluster, fail_over) as crowd:
                first, second = cluster["us"].nodes
                first.kill()  # what it knew, it has told the new master
                crowd.nodes = [second]
                await asyncio.sleep(TAKEN_OVER_S)
                await crowd.check()
    finally:
        store.stop()


async def test_no_stream_notices_that_slots_of_a_cluster_move_and_a_master_is_killed(
    tmp_path: Path,
) -> None:
    store = RedisCluster(tmp_path, with_replicas=True, node_timeout_ms=2_000).start()
    try:
        slots = [key_slot(f"{{demo:us:{number}}}".encode()) for number in range(SLICES)]
        source = store.owner(slots[-1])
        registry = store.owner(key_slot(b"{demo:us}"))
        target = next(server for server in store.servers if server not in (source, registry))
        with running(
            tmp_path, names=("us",), nodes=2, lease_s=LEASE_S, store_urls={"us": store.url}
        ) as cluster:

            def move() -> None:
                for slot in range(slots[-1] - 3, slots[-1] + 3):
                    store.move(slot, target)

            async def move_and_fail_over(crowd: Crowd) -> None:
                await asyncio.to_thread(move)
                await until_normal(crowd)
                target.kill()  # the others, and the list of nodes with them, are still there
                await asyncio.sleep(HEARTBEAT_S)
                await until_normal(crowd)
                await asyncio.sleep(HEARTBEAT_S)

            async with crowded(cluster, move_and_fail_over) as crowd:
                await crowd.check()
    finally:
        store.stop()
