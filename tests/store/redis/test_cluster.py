"""Locks and journals on a real cluster, and behind real sentinels."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from georeg.store.redis import (
    Held,
    Holding,
    RedisClient,
    RedisLock,
    RedisSettings,
    RedisTrouble,
    renewals_of,
)
from georeg.store.redis.client import Script
from tests.redis_guarded import GuardedRedis
from tests.redis_server import RedisCluster, wait_until
from tests.store.redis.slices import Node, committed, recovered, sessions_of
from tests.store.test_damage import entry

pytestmark = pytest.mark.redis

SET = Script("return redis.call('SET', KEYS[1], ARGV[1])")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster")).start()
    yield cluster
    cluster.stop()


@pytest.fixture
async def client(cluster: RedisCluster) -> AsyncIterator[RedisClient]:
    client = await RedisClient.connect(RedisSettings.parse(cluster.url, timeout_ms=3_000))
    yield client
    await client.close()


async def test_scripts_reach_the_node_of_their_keys_and_are_known_there_from_then_on(
    client: RedisClient, cluster: RedisCluster
) -> None:
    for n in range(12):
        key = client.key(f"c:us:{n}", "x")
        assert await client.run(SET, [key], [n]) == b"OK"
        assert await client.read([("GET", key), ("EXISTS", key)]) == [str(n).encode(), 1]
    held = [server.cli("DBSIZE") for server in cluster.servers]
    assert "0" not in held, "all three have some of the keys"


async def test_a_slot_that_moves_takes_its_lock_with_it(
    client: RedisClient, cluster: RedisCluster
) -> None:
    lock = RedisLock(client, "c:us:moves", "duty", "a", lambda: 0)
    holding = await lock.acquire(60_000)
    assert isinstance(holding, Holding)
    slot = key_slot(client.key("c:us:moves", "x").encode())
    source = cluster.owner(slot)
    cluster.move(slot, next(s for s in cluster.servers if s is not source))
    assert await lock.renew(holding, 60_000) is not None
    other = RedisLock(client, "c:us:moves", "duty", "b", lambda: 0)
    assert isinstance(await other.acquire(60_000), Held)


async def test_slices_are_spread_over_the_cluster_and_commit_in_a_round_trip_each_node(
    client: RedisClient, cluster: RedisCluster
) -> None:
    node = Node(client)
    journals = [await node.open(1, f"spread:us:{n}") for n in range(9)]
    assert len({client.node_of(one.keys[0]) for one in journals}) == 3
    for n, one in enumerate(journals):
        one.store_session(entry(n + 1))
    assert await asyncio.gather(*map(committed, journals)) == [None] * 9
    for n in range(9):
        assert sessions_of(await node.open(2, f"spread:us:{n}")) == [entry(n + 1)]
    await node.close()


async def test_locks_that_are_renewed_at_once_wait_for_their_own_server_only(
    client: RedisClient, cluster: RedisCluster
) -> None:
    renewals = renewals_of(client)
    tags = [f"c:us:hang-{n}" for n in range(9)]
    locks = [RedisLock(client, tag, "duty", "a", lambda: 0, renewals) for tag in tags]
    holdings = [await lock.acquire(60_000) for lock in locks]
    owners = [cluster.owner(key_slot(client.key(tag, "x").encode())) for tag in tags]
    hanging = owners[0]
    hanging.pause()
    try:
        renewing = [
            asyncio.ensure_future(lock.renew(holding, 60_000))
            for lock, holding in zip(locks, holdings, strict=True)
            if isinstance(holding, Holding)
        ]
        others = [t for t, o in zip(renewing, owners, strict=True) if o is not hanging]
        assert 0 < len(others) < 9
        assert all(await asyncio.gather(*others))
        assert not renewing[0].done()
    finally:
        hanging.resume()
    assert all(await asyncio.gather(*renewing))


async def test_while_its_slot_moves_nothing_of_a_slice_is_lost_and_then_it_goes_on(
    client: RedisClient, cluster: RedisCluster
) -> None:
    node = Node(client)
    slice_, other = await node.open(1, "moving:us:0"), await node.open(1, "moving:us:1")
    slot = key_slot(slice_.keys[0].encode())
    source = cluster.owner(slot)
    target = next(s for s in cluster.servers if s is not source)
    is_over, stored, failed = False, 0, 0

    async def load() -> None:
        nonlocal stored, failed
        while not is_over:
            stored += 1
            for one in (slice_, other):
                one.store_session(entry(stored))
                failed += await committed(one) is not None
            await asyncio.sleep(0.001)

    loading = asyncio.ensure_future(load())
    await asyncio.sleep(0.05)
    await asyncio.to_thread(cluster.move, slot, target)
    await asyncio.sleep(0.05)
    is_over = True
    await loading
    await recovered(slice_)
    await recovered(other)
    assert node.told == []
    assert int(target.cli("HLEN", slice_.keys[1])) == stored
    for tag in ("moving:us:0", "moving:us:1"):
        assert len(sessions_of(await node.open(2, tag))) == stored
    await node.close()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedRedis]:
    guarded = GuardedRedis(tmp_path, sentinels=1).start()
    yield guarded
    guarded.stop()


async def test_behind_sentinels_the_client_follows_the_master(guarded: GuardedRedis) -> None:
    client = await RedisClient.connect(RedisSettings.parse(guarded.url, timeout_ms=1_000))
    try:
        await follow(client, guarded)
    finally:
        await client.close()


async def follow(client: RedisClient, guarded: GuardedRedis) -> None:
    key = client.key("t", "x")
    await client.run(SET, [key], ["before"])
    wait_until(lambda: guarded.replica.cli("GET", key) == "before", "the replica has it")
    guarded.master.kill()
    with pytest.raises(RedisTrouble, match="out of reach|no master"):
        await client.run(SET, [key], ["meanwhile"])
    wait_until(guarded.has_failed_over, "the replica has taken over")
    end = time.monotonic() + 10
    while True:
        try:
            await client.run(SET, [key], ["after"])
            break
        except RedisTrouble:
            assert time.monotonic() < end
    assert guarded.replica.cli("GET", key) == "after"
