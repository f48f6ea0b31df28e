"""Time, network and faults: regions on one event queue, messages as bytes with latency and loss."""

import heapq
from collections import Counter
from collections.abc import Callable
from random import Random

from crdt.dots import RegionId
from crdt.events import Kick, PlanSet
from georeg.region.region import Region
from georeg.region.settings import Settings
from tests.model.oracle import Oracle

RANGE = 2
"""Number of the Range message on the wire (messages.py): what a jam holds back."""
EPOCH_MS = 1_700_000_000_000


class Disk:
    """What survives a kill: the journal port, in memory, durable a moment after `sync`."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.last_incarnation = 0
        self.stored: dict[int, Kick] = {}
        self.queued: dict[int, Kick] = {}
        self.statements: dict[str, PlanSet] = {}

    def incarnation(self) -> int:
        return self.last_incarnation

    def store_incarnation(self, incarnation: int) -> None:
        assert incarnation > self.last_incarnation
        self.last_incarnation = incarnation

    def store_kick(self, kick: Kick) -> None:
        self.queued[kick.session] = kick

    def store_plan(self, plan: PlanSet) -> None:
        self.statements[plan.account] = plan

    def sync(self, then: Callable[[OSError | None], None]) -> None:
        self.stored.update(self.queued)
        self.queued.clear()
        then(None)

    def kicks(self) -> list[Kick]:
        return [self.stored[s] for s in sorted(self.stored)]

    def plans(self) -> list[PlanSet]:
        return [self.statements[a] for a in sorted(self.statements)]


class _Timer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class RegionClock:
    """One region's clocks: an offset of its own; wall time as the world has it."""

    def __init__(self, world: "World", life: "Life") -> None:
        self.world, self.life = world, life
        self.offset_ms = world.random.randrange(200_000, 10_000_000)

    def now_ms(self) -> int:
        return int(self.world.now_s * 1000) + self.offset_ms

    def wall_ms(self) -> int:
        return EPOCH_MS + int(self.world.now_s * 1000)

    def call_later(self, delay_ms: int, callback: Callable[[], None]) -> _Timer:
        timer, life = _Timer(), self.life
        def run() -> None:
            if life.is_alive and not timer.is_cancelled:
                callback()
        self.world.at(delay_ms / 1000, run)
        return timer


class RegionMesh:
    """The links of one life of a region."""

    def __init__(self, world: "World", region: RegionId) -> None:
        self.world, self.region = world, region

    def send(self, peer: RegionId, payload: bytes) -> None:
        self.world.send(self.region, peer, payload)


class Life:
    """One life of a region: from boot to kill."""

    def __init__(self, world: "World", region: RegionId, disk: Disk) -> None:
        self.is_alive = True
        self.disk = disk
        self.clock = RegionClock(world, self)
        self.region = Region(
            region, world.names, world.settings, self.clock, RegionMesh(world, region), disk,
            Random(world.random.getrandbits(64)),
        )  # fmt: skip
        world.oracle.observe(self.region)

    @property
    def serves(self) -> bool:
        """Whether it answers devices."""
        return self.is_alive and self.region.joined


class World:
    """Everything outside the regions. Times in seconds since its begin."""

    def __init__(self, seed: int, kind: str, settings: Settings, *, trace: bool = False) -> None:
        self.random = Random(f"{seed}/{kind}")
        self.kind, self.settings, self.trace = kind, settings, trace
        self.now_s = 0.0
        self.is_quiet = False
        self.is_over = False
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.names: dict[RegionId, str] = {}
        self.lives: dict[RegionId, Life] = {}
        self.latency_s: dict[tuple[int, int], float] = {}
        self.cut: Counter[tuple[int, int]] = Counter()
        self.loss = 0.0
        self.stall: dict[tuple[int, int], float] = {}
        self.jam: dict[tuple[int, int], float] = {}
        self.lag: dict[tuple[int, int], tuple[float, float]] = {}
        self.cuts: list[tuple[float, float, set[tuple[int, int]]]] = []
        self.downs: list[tuple[float, float, int]] = []
        self.limits: dict[str, int] = {}
        self.oracle = Oracle(self)

    def say(self, *what: object) -> None:
        if self.trace:
            print(f"{self.now_s:9.3f}", *what)

    def at(self, delay_s: float, run: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now_s + delay_s, self._count, run))

    def until(self, end_s: float) -> None:
        while self._queue and self._queue[0][0] <= end_s:
            self.now_s, _, run = heapq.heappop(self._queue)
            run()
        self.now_s = end_s

    # ---- regions -----------------------------------------------------------------------------

    def boot(self, region: RegionId, disk: Disk | None = None) -> None:
        life = Life(self, region, disk or Disk(self))
        self.lives[region] = life
        life.region.open()

    def kill(self, region: RegionId, duration_s: float, *, keep_disk: bool = True) -> None:
        life = self.lives[region]
        if not life.is_alive:
            return
        life.is_alive = False
        self.downs.append((self.now_s, self.now_s + duration_s, region))
        self.say("KILL", region, round(duration_s, 1))
        self.at(duration_s, lambda: self.revive(region, keep_disk=keep_disk))

    def revive(self, region: RegionId, *, keep_disk: bool = True) -> None:
        life = self.lives[region]
        if not life.is_alive:
            life.disk.queued.clear()
            self.boot(region, life.disk if keep_disk else None)

    # ---- network -----------------------------------------------------------------------------

    def send(self, source: RegionId, target: RegionId, payload: bytes) -> None:
        pair = (source, target)
        if self.cut[pair] > 0 or (self.loss and self.random.random() < self.loss):
            return
        if payload[1] == RANGE and self.jam.get(pair, 0) > self.now_s:
            return
        delay_s = self.latency_s[pair] * self.random.uniform(1, 1.15)
        until_s, extra_s = self.lag.get(pair, (0.0, 0.0))
        if until_s > self.now_s:
            delay_s += extra_s
        if self.stall.get(pair, 0) > self.now_s:
            delay_s = max(delay_s, self.stall[pair] - self.now_s + self.random.uniform(0, 0.01))
        life = self.lives.get(target)

        def arrive() -> None:
            receiver = life or self.lives[target]
            if receiver.is_alive:
                receiver.region.receive(source, payload)

        self.at(delay_s, arrive)

    def partition(self, pairs: set[tuple[int, int]], duration_s: float) -> None:
        self.cuts.append((self.now_s, self.now_s + duration_s, pairs))
        self.say("CUT", sorted(pairs), round(duration_s, 1))
        self.cut.update(pairs)
        self.at(duration_s, lambda: self.cut.subtract(pairs))

    def is_unreachable(self, here: int, there: int, since_s: float) -> bool:
        """Whether news of `since_s` from one region cannot be known in the other by now."""
        return any(
            start <= self.now_s and end >= since_s and (there, here) in pairs
            for start, end, pairs in self.cuts
        ) or any(
            region in (here, there) and start <= self.now_s and end >= since_s
            for start, end, region in self.downs
        )

    def heal(self) -> None:
        """All links work, all regions are up, nobody starts any more."""
        for pair in self.cut:
            self.cut[pair] = 0
        self.stall, self.jam, self.lag, self.loss = {}, {}, {}, 0.0
        self.is_quiet = True
        for region in sorted(self.lives):
            self.revive(region)
