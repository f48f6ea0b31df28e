"""A store that has lost its data is told all of it again, however long that takes."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from crdt.events import Device, Entry, Plan
from georeg.nodes.parts import Parts, Then
from georeg.nodes.runner import Made, SliceRunner
from georeg.region.model import StartRequest
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal
from georeg.store.redis import RedisTrouble
from tests.edge.world import ManualClock
from tests.nodes.world import US, NoLinks, account_in

SESSIONS = 7


class Journal(NoJournal):
    """Loses what it holds when a test says so, and can be told again at the third try."""

    def __init__(self) -> None:
        super().__init__()
        self.is_lost = False
        self.held: dict[int, Entry] = {}
        self.begun: list[int] = []
        self.refusals = 2
        self.is_closed = False

    def store_session(self, entry: Entry) -> None:
        assert not self.is_closed
        self.held[entry.session] = entry

    def committed(self, then: Then) -> None:
        then(None)

    async def begin_again(self, fence: int) -> None:
        assert self.is_lost
        self.begun.append(fence)
        if len(self.begun) <= self.refusals:
            raise RedisTrouble("out of reach again")
        self.is_lost = False

    async def close(self) -> None:
        self.is_closed = True

    def lose(self) -> None:
        self.held.clear()
        self.is_lost = True


class NoMesh(NoLinks):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class World:
    """One slice that a runner runs, with some sessions."""

    def __init__(self) -> None:
        self.journal, self.clock, self.mesh = Journal(), ManualClock(), NoMesh()
        self.parts = Parts(4)
        self.runner = SliceRunner(self.parts, self.open_journal, self.make, lambda number: 0)
        self.runner.on_retelling = self.renewed
        self.lost: Callable[[], None] = lambda: None

    async def open_journal(
        self, number: int, fence: int, on_fenced: Callable[[], None], on_lost: Callable[[], None]
    ) -> Any:
        self.lost = on_lost
        return self.journal

    def make(self, number: int, journal: Any) -> Made:
        settings = Settings(default_limit=SESSIONS)
        region = Region(US, {US: "us"}, settings, self.clock, self.mesh, journal, Random(1))
        self.clock.call_later(1, lambda: None)
        return Made(region, self.mesh)  # type: ignore[arg-type]

    async def renewed(self, number: int) -> None:
        """The lock was not lost."""

    async def begin(self) -> None:
        opening = asyncio.ensure_future(self.runner.open(0, 5))
        while not opening.done():
            self.clock.advance(1)
            await asyncio.sleep(0)
        await opening
        plan = Plan("family", SESSIONS, 0)
        for number in range(SESSIONS):
            request = StartRequest(account_in(0), Device(f"tv-{number}", "", ""), plan=plan)
            self.parts.of_account(account_in(0)).region.start(request)
        assert len(self.journal.held) == SESSIONS

    async def until_told(self, count: int) -> None:
        """Until the store holds so many sessions, or more."""
        async with asyncio.timeout(5):
            while len(self.journal.held) < count:  # noqa: ASYNC110 - a count
                await asyncio.sleep(0)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("georeg.nodes.runner.RETRY_S", 0.0)
    monkeypatch.setattr("georeg.region.tenure.STEP", 1)
    world = World()
    await world.begin()
    return world


async def test_a_store_that_cannot_be_told_is_told_again(world: World) -> None:
    world.journal.lose()
    world.lost()
    await world.until_told(SESSIONS)
    assert world.journal.begun == [5, 5, 5]


async def test_a_store_that_loses_it_once_more_is_told_all_of_it(world: World) -> None:
    world.journal.lose()
    world.lost()
    await world.until_told(3)
    world.journal.lose()
    world.lost()
    world.runner.fenced(0, 6)
    await world.until_told(SESSIONS)
    assert world.journal.begun == [5, 5, 5, 6]


async def test_a_slice_that_is_handed_over_meanwhile_has_told_all_of_it_first(
    world: World,
) -> None:
    world.journal.lose()
    world.lost()
    await world.until_told(3)
    await world.runner.close(0, is_graceful=True)
    assert (len(world.journal.held), world.journal.is_closed) == (SESSIONS, True)
    await world.runner.stop()


async def test_nothing_is_told_for_a_slice_that_is_gone(world: World) -> None:
    world.journal.refusals = 1_000
    world.journal.lose()
    world.lost()
    await asyncio.sleep(0)
    await world.runner.close(0, is_graceful=False)
    await world.runner.stop()
    assert world.journal.held == {}
