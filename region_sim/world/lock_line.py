"""The line of a region to the lock service of the world, in place of its client for Redis.

The service stands apart from all regions, on a machine of its own whose clock drifts like theirs.
A line takes its time both ways; a fault cuts it: calls and answers are lost, or refused at once. As
the client does (georeg/store/redis/client.py), a call ends within its time, with an answer or with
trouble in words; what comes later is dropped, though it may have taken effect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from crdt.dots import RegionId
from georeg.region.ports import Locked
from region_sim.kernel.machine import Machine
from region_sim.world.lock_service import LockService

TIMEOUT_S: Final = 0.5
WAY_US: Final = (500, 40_000)
"""One way, at least and at most."""

Then = Callable[[Locked], None]


@dataclass(slots=True)
class LockCut:
    """Faults on one region's line."""

    drops: int = 0
    rejects: int = 0


class LockHost:
    """The lock service, and the way to it."""

    def __init__(self, machine: Machine, random: Random) -> None:
        self.machine = machine
        self.random = random
        self.service = LockService(lambda: machine.time() * 1000)


class LockLine:
    """The lock port of one life of a region."""

    def __init__(self, host: LockHost, machine: Machine, cut: LockCut) -> None:
        self._host = host
        self._machine = machine
        self._cut = cut

    def acquire(self, seat: RegionId, owner: str, ttl_ms: int, above: int, then: Then) -> None:
        """Take the lock if it is free, under a number above `above` and all that it ever had."""
        self._call(lambda: self._host.service.acquire(seat, owner, ttl_ms, above), then)

    def renew(self, seat: RegionId, owner: str, number: int, ttl_ms: int, then: Then) -> None:
        """Let the lock last on if this owner still holds it under this number."""
        self._call(lambda: self._host.service.renew(seat, owner, number, ttl_ms), then)

    def release(self, seat: RegionId, owner: str, number: int) -> None:
        """Let the lock go if this owner still holds it under this number."""

        def act() -> int:
            self._host.service.release(seat, owner, number)
            return 0

        self._call(act, lambda locked: None)

    def _call(self, act: Callable[[], int], then: Then) -> None:
        machine, host = self._machine, self._host
        if self._cut.rejects:
            machine.call_later(0.001, then, Locked(error="the lock service refuses connections"))
            return
        waiting = [then]

        def end(answer: Locked) -> None:
            if waiting:
                waiting.pop()(answer)

        def serve() -> None:
            answer = Locked(act())
            if not (self._cut.drops or self._cut.rejects):
                machine.call_true(self._after_us(), end, answer)

        machine.call_later(TIMEOUT_S, end, Locked(error="the lock service did not answer in time"))
        if not self._cut.drops:
            host.machine.call_true(self._after_us(), serve)

    def _after_us(self) -> int:
        return self._machine.scheduler.now_us + self._host.random.randint(*WAY_US)
