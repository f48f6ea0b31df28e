"""A lock has one owner at a time, as its owners see it, in a hostile world.

The real Tenure on clocks up to 2 % wrong, a lock service with a clock of its own; answers are lost
or late, processes stand still and begin anew without memory. Each rule of tenure.py is broken in
turn, and the fuzz must notice.
"""

import random
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

import pytest

from crdt.tenure import Tenure
from region_sim.world.lock_service import LockService
from tests.crdt.escrow_parts import DRIFT, Clock

TTL_MS = 4_000
OWNERS = 3
UNTIL_S = 120.0
SEEDS = range(60)


class World:
    """One run. `worst` is the largest number of owners that act at one instant."""

    def __init__(self, seed: int, make: Callable[[int, float], Tenure] = Tenure) -> None:
        self.chance = random.Random(seed)
        self.make = make
        self.now_s, self.count, self.worst, self.acquired = 0.0, 0, 0, 0
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        clock = Clock(self.chance)
        self.service = LockService(lambda: clock.ms(self.now_s))
        self.clocks = [Clock(self.chance) for _ in range(OWNERS)]
        self.tenures = [make(TTL_MS, DRIFT) for _ in range(OWNERS)]
        self.lives = [0] * OWNERS
        self.down_until_s = [0.0] * OWNERS
        for owner in range(OWNERS):
            self.after(self.chance.random(), partial(self.tick, owner))

    def after(self, delay_s: float, act: Callable[[], None]) -> None:
        self.count += 1
        heappush(self.queue, (self.now_s + delay_s, self.count, act))

    def run(self) -> "World":
        while self.queue and self.now_s < UNTIL_S:
            self.now_s, _, act = heappop(self.queue)
            act()
            for at_s in (self.now_s, self.now_s + 1e-4):
                self.worst = max(self.worst, self.acting(at_s))
        return self

    def acting(self, at_s: float) -> int:
        pairs = zip(self.tenures, self.clocks, strict=True)
        return sum(tenure.runs(clock.ms(at_s)) for tenure, clock in pairs)

    def tick(self, owner: int) -> None:
        """Renew or acquire; now and then stand still, or begin anew."""
        chance = self.chance
        self.after(chance.uniform(0.1, 0.9), lambda: self.tick(owner))
        if self.now_s < self.down_until_s[owner]:
            return
        if chance.random() < 0.02:
            self.down_until_s[owner] = self.now_s + chance.uniform(1, 12)
            return
        if chance.random() < 0.02:
            self.lives[owner] += 1
            self.tenures[owner] = self.make(TTL_MS, DRIFT)
        tenure, life = self.tenures[owner], self.lives[owner]
        sent_ms, number = self.clocks[owner].ms(self.now_s), tenure.number
        if number and not tenure.runs(sent_ms):
            tenure.end()
            number = 0
        name = f"{owner}:{life}"

        def serve() -> None:
            if number:
                answer = self.service.renew(1, name, number, TTL_MS)
            else:
                answer = self.service.acquire(1, name, TTL_MS, 0)
            if chance.random() > 0.1:
                told = partial(self.answered, owner, life, number, answer, sent_ms)
                self.after(self.delay_s(), told)

        if chance.random() > 0.1:
            self.after(self.delay_s(), serve)

    def delay_s(self) -> float:
        is_late = self.chance.random() < 0.1
        return self.chance.uniform(0, 6) if is_late else self.chance.expovariate(9)

    def answered(self, owner: int, life: int, held: int, answer: int, sent_ms: int) -> None:
        tenure = self.tenures[owner]
        if life != self.lives[owner] or tenure.number != held:
            return
        if held and answer:
            tenure.renewed(answer, sent_ms)
        elif held:
            tenure.end()
        elif answer:
            tenure.acquired(answer, sent_ms)
            self.acquired += 1


def test_no_two_owners_act_at_one_instant() -> None:
    worlds = [World(seed).run() for seed in SEEDS]
    assert {world.worst for world in worlds} == {1}
    assert min(world.acquired for world in worlds) > 5


class CountsFromReceipt(Tenure):
    """As if the service had handled it a second after it was sent."""

    def acquired(self, number: int, sent_ms: int) -> None:
        super().acquired(number, sent_ms + 1_000)

    def renewed(self, number: int, sent_ms: int) -> None:
        super().renewed(number, sent_ms + 1_000)


class CountsWithoutDrift(Tenure):
    def __init__(self, ttl_ms: int, drift: float) -> None:
        super().__init__(ttl_ms, 0.0)


class NeverStops(Tenure):
    def runs(self, now_ms: int) -> bool:
        return self.number != 0


@pytest.mark.parametrize("mutant", [CountsFromReceipt, CountsWithoutDrift, NeverStops])
def test_the_fuzz_notices_each_broken_rule(mutant: type[Tenure]) -> None:
    assert any(World(seed, mutant).run().worst > 1 for seed in range(1000, 1200))


def test_only_the_number_that_is_held_is_renewed() -> None:
    tenure = Tenure(TTL_MS, DRIFT)
    tenure.acquired(7, 1_000)
    until_ms = tenure.until_ms
    tenure.renewed(6, 3_000)
    assert tenure.until_ms == until_ms
    tenure.renewed(7, 3_000)
    assert tenure.until_ms == until_ms + 2_000
    tenure.end()
    tenure.renewed(7, 4_000)
    assert not tenure.runs(4_001)
