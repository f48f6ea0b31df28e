"""Who runs which slice, with real locks in a real Redis: shared, handed over, taken over, kept."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from georeg.nodes.duties import Duties
from georeg.nodes.passing import Address
from georeg.nodes.registry import TTL_MS, Registry
from georeg.store.redis import RedisClient, RedisLock, RedisSettings, renewals_of
from georeg.store.redis.journal import now_ms
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis
SLICES = 8
SOON_S = 8.0
TAKEN_OVER_S = 3.0


class Recorder:
    """Runs slices in name only, and notes what it was told."""

    def __init__(self) -> None:
        self.running: dict[int, int] = {}
        self.notes: list[tuple[str, int]] = []
        self.calls: Counter[int] = Counter()

    async def open(self, number: int, fence: int) -> None:
        assert number not in self.running, "begun twice"
        self.running[number] = fence

    async def close(self, number: int, *, is_graceful: bool) -> None:
        if self.running.pop(number, None) is not None:
            self.notes.append(("handed over" if is_graceful else "dropped", number))

    def fenced(self, number: int, fence: int) -> None:
        assert fence > self.running[number]
        self.running[number] = fence
        self.notes.append(("regained", number))

    def adrift(self, number: int, is_adrift: bool) -> None:
        self.notes.append(("adrift" if is_adrift else "not adrift", number))

    def busy(self, number: int) -> int:
        return self.calls[number]

    def noted(self, what: str) -> list[int]:
        return [number for note, number in self.notes if note == what]


class OneNode:
    """The duties of one node. `skew_ms` moves its clock ahead, as waking up from a pause does."""

    def __init__(self, client: RedisClient, name: str) -> None:
        self.client = client
        self.runner = Recorder()
        self.skew_ms = 0
        self.others_can = False
        self.others_run: dict[int, Address] = {}
        registry, renewals = Registry(client, "test", "us"), renewals_of(client)

        def lock_of(number: int) -> RedisLock:
            return RedisLock(client, f"test:us:{number}", "run", name, self.now_ms, renewals)

        address = Address(name, f"http://{name}", f"ws://{name}", "")
        self.duties = Duties(
            address, SLICES, registry, lock_of, self.runner, self, self.now_ms
        )

    def now_ms(self) -> int:
        return now_ms() + self.skew_ms

    async def can_take(self, number: int) -> bool:
        return self.others_can

    async def who_runs(self) -> dict[int, Address]:
        return self.others_run

    @property
    def decides(self) -> list[int]:
        return [number for number in range(SLICES) if self.duties.runs(number)]

    async def crash(self) -> None:
        """Say and renew nothing any more."""
        assert self.duties._loop_task is not None
        self.duties._loop_task.cancel()
        await asyncio.wait((self.duties._loop_task,))


async def can_take(node: OneNode, slices: list[int]) -> list[int]:
    """Those that the node says it would take."""
    return [number for number in slices if await node.duties.can_take(number)]


async def until(holds: Callable[[], bool], within_s: float = SOON_S) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what redis has decided sets no event here
            await asyncio.sleep(0.01)


async def alone(node: Callable[[str], OneNode]) -> OneNode:
    """Node a, which runs all slices."""
    a = node("a")
    await a.duties.open()
    await until(lambda: len(a.decides) == SLICES)
    return a


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
async def node(server: RedisServer) -> AsyncIterator[Callable[[str], OneNode]]:
    made: list[OneNode] = []

    def make(name: str) -> OneNode:
        client = RedisClient(RedisSettings.parse(server.url))
        made.append(OneNode(client, name))
        return made[-1]

    yield make
    for each in made:
        await each.duties.close()
        await each.client.close()


async def test_nodes_share_the_slices_and_never_run_one_together(
    node: Callable[[str], OneNode],
) -> None:
    a, b = await alone(node), node("b")
    a.runner.calls[a.decides[0]] += 1
    watched: list[set[int]] = []

    def is_shared() -> bool:
        watched.append(set(a.decides) & set(b.decides))
        return len(a.decides) == len(b.decides) == SLICES // 2

    opening = asyncio.ensure_future(b.duties.open())
    a.runner.calls.clear()
    await until(is_shared)
    await opening
    assert not any(watched)
    assert len(a.runner.noted("handed over")) == SLICES // 2
    assert a.runner.noted("dropped") == []
    for number in b.decides:
        while (found := a.duties.node_of(number)) is None:
            await a.duties.look_again()
        assert found.name == "b"


async def test_a_slice_is_handed_over_only_when_its_calls_are_decided(
    node: Callable[[str], OneNode],
) -> None:
    a, b = await alone(node), node("b")
    a.runner.calls.update(dict.fromkeys(range(SLICES), 1))
    await b.duties.open()
    await until(lambda: len(a.decides) == SLICES // 2)
    assert b.decides == [], "they wait"
    assert a.runner.noted("handed over") == []
    a.runner.calls.clear()
    await until(lambda: len(b.decides) == SLICES // 2)


async def test_a_dead_nodes_slices_are_taken_over_in_time(node: Callable[[str], OneNode]) -> None:
    a, b = node("a"), node("b")
    await asyncio.gather(a.duties.open(), b.duties.open())
    await until(lambda: len(a.decides) + len(b.decides) == SLICES and bool(b.decides))
    fences = dict(a.runner.running)
    await a.crash()
    await until(lambda: len(b.decides) == SLICES, TAKEN_OVER_S)
    assert a.decides == [], "its time is over by its own clock as well"
    assert all(b.runner.running[number] > fence for number, fence in fences.items())


async def test_a_node_that_leaves_hands_all_over_and_the_last_one_keeps_it(
    node: Callable[[str], OneNode],
) -> None:
    a, b = node("a"), node("b")
    await asyncio.gather(a.duties.open(), b.duties.open())
    await until(lambda: bool(a.decides) and bool(b.decides))
    assert await a.duties.leave(within_s=0)
    await until(lambda: len(b.decides) == SLICES)
    assert not await b.duties.leave(within_s=0)
    assert len(b.decides) == SLICES


async def test_nodes_that_leave_together_keep_what_they_run(
    node: Callable[[str], OneNode],
) -> None:
    a, b = node("a"), node("b")
    await asyncio.gather(a.duties.open(), b.duties.open())
    await until(lambda: len(a.decides) == len(b.decides) == SLICES // 2)
    assert await asyncio.gather(a.duties.leave(), b.duties.leave()) == [False, False]
    assert len(a.decides) == len(b.decides) == SLICES // 2


async def test_a_node_that_leaves_keeps_what_it_runs_until_it_knows_that_another_one_stays(
    node: Callable[[str], OneNode],
) -> None:
    a, b = node("a"), node("b")
    await asyncio.gather(a.duties.open(), b.duties.open())
    await until(lambda: len(a.decides) == len(b.decides) == SLICES // 2)
    leaving = asyncio.ensure_future(b.duties.leave(within_s=60))
    await until(lambda: b.duties.neighbours.nodes["b"].is_leaving)
    await b.duties._round()
    await asyncio.gather(*b.duties._tasks)  # what the round has begun
    assert len(b.decides) == SLICES // 2
    leaving.cancel()
    await b.duties._round()
    await until(lambda: len(a.decides) == SLICES)


async def test_a_former_owner_decides_nothing_when_it_wakes_up(
    node: Callable[[str], OneNode],
) -> None:
    a, b = await alone(node), node("b")
    await a.crash()
    await b.duties.open()
    await until(lambda: len(b.decides) == SLICES)
    a.skew_ms = 2 * TTL_MS
    assert a.decides == []
    assert not await a.duties.may_run(3)
    assert a.runner.noted("dropped") == [3]
    assert not a.duties._duties[3].is_adrift


async def test_a_former_owner_does_not_go_on_from_memory_where_another_one_has_been_meanwhile(
    node: Callable[[str], OneNode],
) -> None:
    a, b = await alone(node), node("b")
    await a.crash()
    await b.duties.open()
    await until(lambda: len(b.decides) == SLICES)
    await b.duties.close()
    a.skew_ms = 2 * TTL_MS
    assert not await a.duties.may_run(3), "its lock is free, but its memory is old"
    assert a.runner.noted("dropped") == [3]


async def test_a_lock_that_is_lost_while_its_slice_is_handed_over_is_not_taken_again(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    a = await alone(node)
    await a.crash()
    a.runner.calls[3] += 1
    duty = a.duties._duties[3]
    leaving = asyncio.ensure_future(duty.hand_over())
    await until(lambda: not duty.is_kept)
    server.cli("FLUSHALL")
    await duty.renew()
    a.runner.calls[3] -= 1
    await leaving
    assert (a.runner.noted("regained"), a.runner.noted("handed over")) == ([], [3])


async def test_a_node_that_nobody_missed_goes_on_from_memory(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    a = await alone(node)
    server.cli("FLUSHALL")
    await until(lambda: sorted(a.runner.noted("regained")) == list(range(SLICES)))
    assert a.runner.noted("dropped") == []
    assert len(a.decides) == SLICES


async def test_slices_go_back_to_whom_the_store_has_forgotten(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    a, b = node("a"), node("b")
    await asyncio.gather(a.duties.open(), b.duties.open())
    await until(lambda: len(a.decides) == len(b.decides) == SLICES // 2)
    await until(lambda: all(b.duties.node_of(number) for number in a.decides))
    await until(lambda: all(a.duties.node_of(number) for number in b.decides))
    of_a, of_b = a.decides, b.decides
    server.kill()
    await until(lambda: len(a.runner.noted("adrift")) == len(b.runner.noted("adrift")) == 4)
    assert (a.decides, b.decides) == (of_a, of_b), "they go on"
    server.start()
    await until(lambda: len(a.runner.noted("regained")) == len(b.runner.noted("regained")) == 4)
    assert (a.decides, b.decides) == (of_a, of_b)
    assert a.runner.noted("dropped") == b.runner.noted("dropped") == []


async def test_what_others_ran_is_left_to_them_for_as_long_as_their_locks_would_have_lasted(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    a, b = node("a"), node("b")
    await asyncio.gather(a.duties.open(), b.duties.open())
    await until(lambda: len(a.decides) == len(b.decides) == SLICES // 2)
    await until(lambda: all(b.duties.node_of(number) for number in a.decides))
    server.kill()
    await until(lambda: len(b.runner.noted("adrift")) == 4)
    await a.crash()
    began_ms = now_ms()
    server.start()
    await until(lambda: len(b.decides) == SLICES)
    assert now_ms() - began_ms >= TTL_MS


async def test_who_is_cut_off_from_the_store_alone_decides_nothing(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    a = await alone(node)
    a.others_can = True
    server.pause()
    try:
        await until(lambda: a.decides == [])
        assert not await a.duties.may_run(0)
        assert a.runner.noted("adrift") == []
    finally:
        server.resume()
    await until(lambda: len(a.decides) == SLICES)


async def test_who_is_cut_off_from_the_store_passes_calls_on_to_those_who_say_that_they_run_them(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    """It answered for their slices as if nobody ran them, for as long as that lasted."""
    a, b = await alone(node), Address("b", "http://b", "ws://b", "")
    a.others_can, a.others_run = True, {3: b}
    assert a.duties.node_of(3) is None
    server.pause()
    try:
        await until(lambda: a.duties.node_of(3) == b)
        assert a.duties.node_of(4) is None
    finally:
        server.resume()
    await until(lambda: a.duties.node_of(3) is None)


async def test_who_reaches_the_store_again_first_says_that_it_takes_nothing_of_the_others(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    a, b = node("a"), node("b")
    await asyncio.gather(a.duties.open(), b.duties.open())
    await until(lambda: len(a.decides) == len(b.decides) == SLICES // 2)
    await until(lambda: all(a.duties.node_of(number) for number in b.decides))
    of_b = b.decides
    assert await can_take(a, of_b) == of_b
    await b.crash()
    server.kill()
    await until(lambda: len(a.runner.noted("adrift")) == SLICES // 2)
    assert await can_take(a, of_b) == []
    server.start()
    await until(lambda: a.duties.has_store)
    assert await can_take(a, of_b) == [], "b may not have seen it yet"
    assert all(a.duties.node_of(number) for number in of_b), "its calls are passed on to it"
    async with asyncio.timeout(TTL_MS / 1000 + 1):
        while await can_take(a, of_b) != of_b:  # noqa: ASYNC110 - it is the time that it waits for
            await asyncio.sleep(0.01)


async def test_who_is_asked_right_after_the_store_has_gone_does_not_say_that_it_would_take_anything(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    """A node that had just lost the store believed it, and admitted devices to full accounts."""
    a = await alone(node)
    server.kill()
    assert a.duties.has_store, "the next beat is still to come"
    assert await can_take(a, a.decides) == []


async def test_a_node_that_was_paused_while_the_store_was_gone_decides_nothing_before_it_asks(
    node: Callable[[str], OneNode], server: RedisServer
) -> None:
    a = await alone(node)
    server.kill()
    await until(lambda: len(a.runner.noted("adrift")) == SLICES)
    await a.crash()
    assert len(a.decides) == SLICES
    a.skew_ms = 2 * TTL_MS
    assert a.decides == [], "others may have found the store again, and taken all of it"
    assert await a.duties.may_run(0), "nobody reaches it still"


async def test_a_slice_that_cannot_be_closed_can_be_taken_by_another_node_all_the_same(
    node: Callable[[str], OneNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await alone(node), node("b")

    async def fails(number: int, *, is_graceful: bool) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(a.runner, "close", fails)
    await b.duties.open()
    await until(lambda: len(b.decides) == SLICES // 2)
    assert len(a.decides) == SLICES // 2


async def test_a_slice_that_cannot_be_begun_is_tried_again_later(
    node: Callable[[str], OneNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    a = node("a")
    tries: list[int] = []
    real = a.runner.open

    async def fails_once(number: int, fence: int) -> None:
        tries.append(number)
        if tries.count(number) == 1:
            raise OSError("no journal")
        await real(number, fence)

    monkeypatch.setattr(a.runner, "open", fails_once)
    await a.duties.open()
    await until(lambda: len(a.decides) == SLICES)
    assert Counter(tries) == dict.fromkeys(range(SLICES), 2)
