"""Real rules on a real Redis: what the next node knows of the one that was killed."""

import asyncio
import time
from collections.abc import AsyncIterator
from random import Random
from typing import TypeVar

import pytest

from crdt.dots import RegionId
from crdt.events import ActorKind, Device, Plan
from georeg.cli.runtime import LoopClock
from georeg.region.model import Admitted, How, Kicked, Outcome, Refused, StartRequest, State
from georeg.region.pending import Pending
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store.redis import RedisClient, RedisJournal, RedisTrouble
from tests.store.redis.slices import Node, committed

pytestmark = pytest.mark.redis

US = RegionId(1)
PLAN = Plan("basic", 1, 0)
T = TypeVar("T")


class Slice:
    """One region of a cluster of one, as a node runs it."""

    def __init__(self, node: Node, journal: RedisJournal) -> None:
        self.node, self.journal = node, journal
        clock = LoopClock(asyncio.get_running_loop(), lambda: time.time_ns() // 1_000_000)
        self.region = Region(US, {US: "us"}, Settings(), clock, Nobody(), journal, Random(1))

    @classmethod
    async def begin(cls, client: RedisClient, fence: int) -> "Slice":
        node = Node(client)
        made = cls(node, await node.open(fence))
        made.region.open()
        while not made.has_begun:  # noqa: ASYNC110 - the rules know no asyncio events
            await asyncio.sleep(0.001)
        return made

    @property
    def has_begun(self) -> bool:
        begun = self.region.begun
        return self.region.joined and begun is not None and not begun.is_recalling

    async def start(self, device: str) -> Outcome:
        request = StartRequest("ann", Device(device, f"the {device}", "tv"), plan=PLAN,
                               plan_issued=1)  # fmt: skip
        outcome = await told(self.region.start(request))
        assert await committed(self.journal) is None
        return outcome

    async def kill(self) -> None:
        """Nothing more is said to anybody."""
        self.region.close()
        self.journal._final = RedisTrouble("killed")
        await self.node.gatherer.close()


class Nobody:
    """The mesh of a region without peers."""

    def send(self, peer: RegionId, payload: bytes) -> None:
        raise AssertionError("there is no peer")


async def told(pending: Pending[T]) -> T:
    answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    pending.then(answer.set_result)
    return await answer


@pytest.fixture
async def slices(client: RedisClient) -> AsyncIterator[list[Slice]]:
    begun: list[Slice] = []
    yield begun
    for one in begun:
        one.region.close()
        await one.node.close()


async def test_the_next_node_refuses_on_what_the_killed_one_had_admitted(
    client: RedisClient, slices: list[Slice]
) -> None:
    slices.append(await Slice.begin(client, 1))
    tv = await slices[0].start("tv")
    assert isinstance(tv, Admitted)
    await slices[0].kill()
    slices.append(await Slice.begin(client, 2))
    (shown,) = slices[1].region.sessions("ann").sessions
    assert (shown.session, shown.state) == (tv.info.session, State.LIVE)
    refused = await slices[1].start("phone")
    assert isinstance(refused, Refused)
    assert refused.how is How.LOCAL


async def test_what_was_kicked_stays_kicked_and_its_slot_is_free(
    client: RedisClient, slices: list[Slice]
) -> None:
    slices.append(await Slice.begin(client, 1))
    tv = await slices[0].start("tv")
    assert isinstance(tv, Admitted)
    kicked = await told(slices[0].region.kick("ann", tv.info.session, ActorKind.ACCOUNT))
    assert isinstance(kicked, Kicked)
    await slices[0].kill()
    slices.append(await Slice.begin(client, 2))
    assert slices[1].region.sessions("ann").sessions == ()
    assert isinstance(await slices[1].start("phone"), Admitted)


async def test_no_dot_is_minted_twice_over_many_takeovers(
    client: RedisClient, slices: list[Slice]
) -> None:
    seen: set[int] = set()
    for fence in (1, 2, 5, 6):
        slices.append(await Slice.begin(client, fence))
        admitted = await slices[-1].start("tv")
        assert isinstance(admitted, Admitted)
        assert admitted.info.session not in seen
        seen.add(admitted.info.session)
        await slices[-1].kill()
