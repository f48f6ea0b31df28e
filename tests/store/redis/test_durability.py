"""What a kill -9 of Redis loses with which setting, and that what it loses is noticed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from georeg.store.redis import DataLost, RedisClient, RedisJournal, RedisSettings, journal
from tests.redis_server import NO_DISK, RedisServer
from tests.store.redis.slices import Node, committed, recovered, sessions_of
from tests.store.test_damage import entry

pytestmark = pytest.mark.redis

LOG = ("--save", "", "--appendonly", "yes", "--appendfsync")
SNAPSHOT = ("--save", "3600 1", "--appendonly", "no")


@pytest.fixture(autouse=True)
def retries_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "RETRY_S", 0.02)


@pytest.fixture
def options(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def durable(tmp_path: Path, options: tuple[str, ...]) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, *options).start()
    yield server
    server.stop()


@pytest.fixture
async def node(durable: RedisServer) -> AsyncIterator[Node]:
    client = await RedisClient.connect(RedisSettings.parse(durable.url, timeout_ms=500))
    node = Node(client)
    yield node
    await node.close()
    await client.close()


async def store_until_killed(journal: RedisJournal, server: RedisServer, count: int) -> list[int]:
    """Start sessions one by one; Redis is killed after so many. Gives which ones it confirmed."""
    confirmed: list[int] = []
    for n in range(1, count + 50):
        journal.store_session(entry(n))
        waits = asyncio.ensure_future(committed(journal))
        if n == count:
            await asyncio.sleep(0)
            server.kill()
        if await waits is None:
            confirmed.append(n)
        elif n > count + 5:
            break
    assert len(confirmed) >= count - 1
    return confirmed


async def found_after(node: Node, server: RedisServer, confirmed: list[int]) -> list[int]:
    """Which of them the next owner finds, when this one's process is gone as well."""
    node.journals[0]._final = DataLost("killed")
    server.start()
    found = {e.session for e in sessions_of(await node.open(2))}
    return [n for n in confirmed if entry(n).session in found]


@pytest.mark.parametrize(
    "options", [(*LOG, "always"), (*LOG, "no")], indirect=True, ids=["always", "no"]
)
async def test_with_a_log_a_killed_redis_has_all_that_it_confirmed(
    node: Node, durable: RedisServer
) -> None:
    """Its process: what it wrote is the system's. That a machine loses power is another matter."""
    confirmed = await store_until_killed(await node.open(1), durable, 100)
    assert await found_after(node, durable, confirmed) == confirmed


@pytest.mark.parametrize("options", [(*LOG, "everysec")], indirect=True, ids=["everysec"])
async def test_with_a_log_that_is_synced_each_second_it_has_lost_the_latest_at_most(
    node: Node, durable: RedisServer
) -> None:
    """While the disk syncs, Redis puts off writing to it, and confirms all the same."""
    confirmed = await store_until_killed(await node.open(1), durable, 100)
    found = await found_after(node, durable, confirmed)
    assert found == confirmed[: len(found)]


@pytest.mark.parametrize("options", [SNAPSHOT, NO_DISK], indirect=True, ids=["snapshots", "none"])
async def test_without_one_the_owner_notices_and_tells_everything_again(
    node: Node, durable: RedisServer
) -> None:
    journal = await node.open(1)
    durable.cli("SAVE")
    confirmed = await store_until_killed(journal, durable, 50)
    durable.start()
    while not journal.is_lost:
        await committed(journal)
        await asyncio.sleep(0.01)
    assert node.told == ["lost"]
    await journal.begin_again(2)
    for n in confirmed:
        journal.store_session(entry(n))
    assert await committed(journal) is None
    assert len(sessions_of(await node.open(3))) == len(confirmed)


@pytest.mark.parametrize("options", [NO_DISK], indirect=True, ids=["replica"])
async def test_a_replica_that_had_not_heard_all_is_noticed_when_it_takes_over(
    node: Node, durable: RedisServer, tmp_path: Path
) -> None:
    """It takes over here by coming back at the master's address, as behind a service's name."""
    (tmp_path / "replica").mkdir()
    follow = ("--replicaof", "127.0.0.1", str(durable.port))
    replica = RedisServer(tmp_path / "replica", *NO_DISK, *follow).start()
    journal = await node.open(1)
    journal.store_session(entry(1))
    assert await committed(journal) is None
    key = journal.keys[1]
    while replica.cli("EXISTS", key) != "1":  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    replica.cli("REPLICAOF", "127.0.0.1", "1")  # cut off from here on
    journal.store_session(entry(2))
    assert await committed(journal) is None
    durable.kill()
    replica.cli("REPLICAOF", "NO", "ONE")
    replica.cli("SAVE")
    replica.kill()
    heir = RedisServer(replica.folder, port=durable.port).start()
    try:
        while not journal.is_lost:
            journal.store_session(entry(3))
            await committed(journal)
            await asyncio.sleep(0.01)
        await journal.begin_again(2)
        for n in (1, 2, 3):
            journal.store_session(entry(n))
        await recovered(journal)
        assert len(sessions_of(await node.open(3))) == 3
    finally:
        heir.stop()
