"""The fenced election with the locks in a real Redis: three regions in one process."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from crdt.dots import RegionId
from georeg.cli.demo.plan import RegionPlan, make_plan, write_configs
from georeg.cli.locks import RedisLocks
from georeg.cli.runtime import Node, Surroundings
from georeg.cli.serve import wall_ms
from georeg.config import load
from georeg.region.ports import Locked
from georeg.region.seats import NOBODY
from georeg.store import NoJournal
from georeg.store.redis import RedisSettings
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis

US, EU, AP = RegionId(1), RegionId(2), RegionId(3)
WITHIN_S = 20.0
QUICK = """\
beacon_s = 0.1
region_suspect_s = 0.5
region_down_s = 1.5
fresh_s = 0.4
grant_lease_s = 1.0
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for a test that pauses it."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder).start()
    yield server
    server.stop()


class Cluster:
    """Nodes with their locks, by number."""

    def __init__(self, plans: list[RegionPlan]) -> None:
        self.plans = plans
        self.nodes: dict[RegionId, Node] = {}
        self.locks: dict[RegionId, RedisLocks] = {}

    async def start(self, region: RegionId) -> None:
        config = load(self.plans[region - 1].config_file)
        assert config.home.locks is not None
        self.locks[region] = locks = RedisLocks(config.home.locks, config.cluster)
        surroundings = Surroundings(
            wall_ms, random.SystemRandom(), secrets.token_bytes, NoJournal(), locks=locks
        )
        self.nodes[region] = Node(config, surroundings)
        await self.nodes[region].start()

    async def stop(self, region: RegionId) -> None:
        await self.nodes.pop(region).stop()
        await self.locks.pop(region).close()

    async def home_is(self, region: RegionId, seat: RegionId = US) -> int:
        """Wait until all agree on who sits there; returns the term."""
        async with asyncio.timeout(WITHIN_S):
            while not self._agree(region, seat):  # noqa: ASYNC110 - the rules know no events
                await asyncio.sleep(0.02)
        if region == NOBODY:
            return 0
        return self.nodes[region].region._state.seats.terms[seat].book.term

    def _agree(self, region: RegionId, seat: RegionId) -> bool:
        return {n.region._state.seats.home(seat) for n in self.nodes.values()} == {region}


@pytest.fixture
async def cluster(
    tmp_path: Path, consecutive_ports: Callable[[int], int], server: RedisServer
) -> AsyncIterator[Cluster]:
    plans = make_plan(["us", "eu", "ap"], consecutive_ports(3), tmp_path)
    write_configs(plans, heartbeat_s=1.0, lease_s=None)
    home = f'[home]\nelection = "fenced"\nlock_url = "{server.url}"\nlock_ttl_s = 1\n\n[settings]\n'
    for plan in plans:
        text = plan.config_file.read_text().replace("[settings]\n", home + QUICK)
        plan.config_file.write_text(text)
    cluster = Cluster(plans)
    await asyncio.gather(*(cluster.start(region) for region in (US, EU, AP)))
    yield cluster
    for region in list(cluster.nodes):
        await cluster.stop(region)


async def test_a_seat_passes_on_and_comes_back_under_growing_numbers(cluster: Cluster) -> None:
    first = await cluster.home_is(US)
    heir = cluster.nodes[EU].region._state.seats.order(US)[1]
    await cluster.stop(US)
    second = await cluster.home_is(heir)
    await cluster.start(US)
    third = await cluster.home_is(US)
    assert first < second < third


async def test_while_redis_hangs_nobody_is_home_and_operators_hear_why(
    cluster: Cluster, server: RedisServer
) -> None:
    before = await cluster.home_is(US)
    server.pause()
    await cluster.home_is(NOBODY)
    troubles = cluster.nodes[US].region._budget.succession.troubles()
    assert "Redis at" in troubles[US]
    assert "did not answer" in troubles[US]
    server.resume()
    assert await cluster.home_is(US) > before


async def test_a_lock_is_given_to_one_owner_above_the_number_that_was_asked(
    server: RedisServer,
) -> None:
    locks = RedisLocks(RedisSettings.parse(server.url), "demo")
    try:
        assert await told(lambda then: locks.acquire(US, "1:1", 60_000, 41, then)) == Locked(42)
        assert await told(lambda then: locks.acquire(US, "2:1", 60_000, 0, then)) == Locked(0)
        assert await told(lambda then: locks.acquire(EU, "2:1", 60_000, 0, then)) == Locked(1)
        assert await told(lambda then: locks.renew(US, "1:1", 42, 60_000, then)) == Locked(42)
        assert await told(lambda then: locks.renew(US, "1:1", 41, 60_000, then)) == Locked(0)
        locks.release(US, "1:1", 42)
        assert await told(lambda then: locks.acquire(US, "2:1", 60_000, 0, then)) == Locked(43)
    finally:
        await locks.close()


async def told(call: Callable[[Callable[[Locked], None]], None]) -> Locked:
    answer: asyncio.Future[Locked] = asyncio.get_running_loop().create_future()
    call(answer.set_result)
    return await asyncio.wait_for(answer, WITHIN_S)
