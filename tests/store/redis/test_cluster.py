"""The client on a real cluster and behind real sentinels."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from georeg.store.redis import Held, Holding, RedisClient, RedisLock, RedisSettings, RedisTrouble
from georeg.store.redis.client import Script
from tests.redis_server import NO_DISK, RedisCluster, RedisServer, free_port

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


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[str, RedisServer, RedisServer]]:
    """A master, its replica, and a sentinel for whom the master is down after 300 ms."""
    folders = [tmp_path / name for name in ("master", "replica", "sentinel")]
    for folder in folders:
        folder.mkdir()
    master = RedisServer(folders[0]).start()
    replica = RedisServer(
        folders[1], *NO_DISK, "--replicaof", "127.0.0.1", str(master.port)
    ).start()
    port = free_port()
    config = folders[2] / "sentinel.conf"
    config.write_text(
        f"sentinel monitor main 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
    )
    sentinel = RedisServer(folders[2], port=port, sentinel=config).start()
    wait_for(lambda: "master_link_status:up" in replica.cli("INFO", "replication"))
    wait_for(lambda: "slaves=1" in sentinel.cli("INFO", "sentinel"))
    yield f"redis+sentinel://127.0.0.1:{port}/main", master, replica
    for server in (sentinel, replica, master):
        server.stop()


def wait_for(is_so: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


async def test_behind_sentinels_the_client_follows_the_master(
    guarded: tuple[str, RedisServer, RedisServer],
) -> None:
    url, master, replica = guarded
    client = await RedisClient.connect(RedisSettings.parse(url, timeout_ms=1_000))
    key = client.key("t", "x")
    await client.run(SET, [key], ["before"])
    wait_for(lambda: replica.cli("GET", key) == "before")
    master.kill()
    with pytest.raises(RedisTrouble, match="out of reach|no master"):
        await client.run(SET, [key], ["meanwhile"])
    wait_for(lambda: "role:master" in replica.cli("INFO", "replication"))
    end = time.monotonic() + 10
    while True:
        try:
            await client.run(SET, [key], ["after"])
            break
        except RedisTrouble:
            assert time.monotonic() < end
    assert replica.cli("GET", key) == "after"
    await client.close()
