"""The lock: one owner at a time, on Redis' clock and the holder's own; numbers that only grow."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from georeg.store.redis import (
    Held,
    Holding,
    RedisClient,
    RedisLock,
    RedisTrouble,
    renewals_of,
)
from georeg.store.redis.client import Arg, Script
from georeg.store.redis.journal import now_ms
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis

Call = tuple[Sequence[str], Sequence[Arg]]
LONG_MS = 60_000
SHORT_MS = 30


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


def lock(
    client: RedisClient, owner: str, clock: Callable[[], int] | None = None
) -> RedisLock:
    return RedisLock(client, "c:us:0", "duty", owner, clock or Clock())


async def held(lock: RedisLock, ttl_ms: int = LONG_MS, at_least: int = 0) -> Holding:
    holding = await lock.acquire(ttl_ms, at_least)
    assert isinstance(holding, Holding)
    return holding


async def expired(client: RedisClient) -> None:
    """Until Redis, on its own clock, holds no lock any more."""
    key = client.key("c:us:0", "lock:duty")
    while (await client.read([("EXISTS", key)]))[0]:  # noqa: ASYNC110 - Redis tells nobody
        await asyncio.sleep(0.002)


async def test_of_two_owners_one_gets_it_and_the_other_hears_who_and_for_how_long(
    client: RedisClient,
) -> None:
    assert (await held(lock(client, "a"))).fence == 1
    answer = await lock(client, "b").acquire(LONG_MS)
    assert isinstance(answer, Held)
    assert answer.owner == "a"
    assert 0 < answer.left_ms <= LONG_MS


async def test_of_many_who_ask_at_once_exactly_one_gets_it(client: RedisClient) -> None:
    answers = await asyncio.gather(*(lock(client, f"o{n}").acquire(LONG_MS) for n in range(20)))
    assert [type(answer) for answer in answers].count(Holding) == 1


async def test_no_two_owners_ever_believe_at_once_that_they_hold_it(client: RedisClient) -> None:
    """Four that ask without a pause, each under a new name, and let what they get run out."""
    believed: list[tuple[int, int, int]] = []

    async def ask(who: int) -> None:
        while len(believed) < 12:
            owner = lock(client, f"{who}:{len(believed)}", now_ms)
            answer = await owner.acquire(SHORT_MS)
            if isinstance(answer, Holding):
                believed.append((answer.fence, now_ms(), answer.until_ms))

    await asyncio.gather(*map(ask, range(4)))
    believed.sort()
    assert [fence for fence, _, _ in believed] == list(range(1, len(believed) + 1))
    for (_, _, until_ms), (_, from_ms, _) in pairwise(believed):
        assert until_ms <= from_ms


async def test_the_fence_grows_with_every_acquire_also_by_the_same_owner(
    client: RedisClient,
) -> None:
    mine = lock(client, "a")
    fences = [(await held(mine)).fence for _ in range(3)]
    await mine.release(Holding(3, 0))
    fences.append((await held(lock(client, "b"))).fence)
    assert fences == [1, 2, 3, 4]


async def test_the_fence_is_above_what_the_caller_has_seen_and_above_its_own_past(
    client: RedisClient,
) -> None:
    mine = lock(client, "a")
    assert (await held(mine, at_least=40)).fence == 41
    assert (await held(mine, at_least=7)).fence == 42


async def test_after_its_time_anybody_may_have_it(client: RedisClient) -> None:
    await held(lock(client, "a"), SHORT_MS)
    await expired(client)
    assert (await held(lock(client, "b"))).fence == 2


async def test_a_paused_owner_that_wakes_up_is_refused(client: RedisClient) -> None:
    paused = lock(client, "a")
    old = await held(paused, SHORT_MS)
    await expired(client)
    new = await held(lock(client, "b"))
    assert await paused.renew(old, LONG_MS) is None
    await paused.release(old)
    assert await lock(client, "b").renew(new, LONG_MS) is not None, "it has ended the new one's"


async def test_a_lock_that_expired_is_not_renewed_even_if_nobody_has_it(
    client: RedisClient,
) -> None:
    mine = lock(client, "a")
    old = await held(mine, SHORT_MS)
    await expired(client)
    assert await mine.renew(old, LONG_MS) is None


async def test_an_owner_that_acquired_again_cannot_renew_under_its_old_fence(
    client: RedisClient,
) -> None:
    mine = lock(client, "a")
    old = await held(mine)
    new = await held(mine)
    assert await mine.renew(old, LONG_MS) is None
    assert await mine.renew(new, LONG_MS) is not None


async def test_it_is_held_from_when_it_was_asked_for_and_shorter_by_the_drift(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, run = Clock(), client.run

    async def slow(*args: object) -> object:
        answer = await run(*args)  # type: ignore[arg-type]
        clock.ms += 400
        return answer

    monkeypatch.setattr(client, "run", slow)
    mine = lock(client, "a", clock)
    holding = await held(mine, 10_000)
    assert holding.until_ms == 1_000 + 9_800
    renewed = await mine.renew(holding, 10_000)
    assert renewed is not None
    assert renewed.until_ms == 1_400 + 9_800


async def test_a_renewal_counts_anew_on_the_clock_of_redis(client: RedisClient) -> None:
    mine = lock(client, "a")
    holding = await held(mine, 500)
    await mine.renew(holding, LONG_MS)
    answer = await lock(client, "b").acquire(LONG_MS)
    assert isinstance(answer, Held)
    assert answer.left_ms > 500


async def test_what_is_released_is_free_at_once(client: RedisClient) -> None:
    mine = lock(client, "a")
    await mine.release(await held(mine))
    assert (await held(lock(client, "b"))).fence == 2


async def test_scripts_that_the_server_has_forgotten_are_sent_again(
    client: RedisClient, server: RedisServer
) -> None:
    mine = lock(client, "a")
    holding = await held(mine)
    server.cli("SCRIPT", "FLUSH")
    assert await mine.renew(holding, LONG_MS) is not None
    assert int(server.cli("INFO", "memory").split("number_of_cached_scripts:")[1].split()[0]) == 1


async def test_lost_data_lose_the_lock_and_the_fence_goes_on_from_what_is_known(
    client: RedisClient, server: RedisServer
) -> None:
    mine = lock(client, "a")
    holding = await held(mine, at_least=8)
    server.cli("FLUSHALL")
    assert await mine.renew(holding, LONG_MS) is None
    assert (await held(mine, at_least=holding.fence)).fence == 10


async def test_a_killed_server_is_told_and_the_next_call_finds_it_again(
    own_client: RedisClient, own_server: RedisServer
) -> None:
    mine = lock(own_client, "a")
    await held(mine)
    own_server.kill()
    with pytest.raises(RedisTrouble, match=r"^Redis at 127.0.0.1:\d+ is out of reach: "):
        await mine.acquire(LONG_MS)
    own_server.start()
    assert isinstance(await mine.acquire(LONG_MS), Holding)


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many scripts went in each round trip of several."""
    found, run_all = [], RedisClient.run_all

    async def counted(client: RedisClient, script: Script, calls: Sequence[Call]) -> list[Any]:
        found.append(len(calls))
        return await run_all(client, script, calls)

    monkeypatch.setattr(RedisClient, "run_all", counted)
    return found


async def test_locks_that_are_renewed_at_once_share_a_round_trip_and_each_has_its_own_answer(
    client: RedisClient, round_trips: list[int]
) -> None:
    renewals = renewals_of(client)
    locks = [RedisLock(client, f"c:us:{n}", "duty", "a", Clock(), renewals) for n in range(8)]
    holdings = [await held(lock) for lock in locks]
    await locks[3].release(holdings[3])
    renewed = await asyncio.gather(
        *(lock.renew(held, LONG_MS) for lock, held in zip(locks, holdings, strict=True))
    )
    assert [each is not None for each in renewed] == [number != 3 for number in range(8)]
    assert round_trips == [8]


async def test_renewals_that_fail_together_are_told_each(
    own_client: RedisClient, own_server: RedisServer, round_trips: list[int]
) -> None:
    renewals = renewals_of(own_client)
    locks = [RedisLock(own_client, f"c:us:{n}", "duty", "a", Clock(), renewals) for n in range(3)]
    holdings = [await held(lock) for lock in locks]
    own_server.kill()
    answers = await asyncio.gather(
        *(lock.renew(held, LONG_MS) for lock, held in zip(locks, holdings, strict=True)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [RedisTrouble] * 3
    assert round_trips == [3]
