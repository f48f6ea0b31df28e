"""Time, network and faults: regions on one event queue, messages as bytes with latency and loss."""

import heapq
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random

from crdt.dots import RegionId
from georeg.region.settings import Settings
from tests.model.kinds import Kind
from tests.model.life import Disk, Life
from tests.model.oracle import Oracle

RANGES = (2, 17)
"""Number of the Range message on the wire (messages.py): what a jam holds back."""
RELAYED = 18
"""The same of a message that goes round a third region."""
LOSS_HEALED_S = 10.0
"""Where messages are lost, what goes out again at each beacon has arrived after this."""
LINK_LOST_S = 4.0
"""A link that was cut for longer was given up by both sides, and comes up anew."""


class World:
    """Everything outside the regions. Times in seconds since its begin."""

    def __init__(self, seed: int, kind: Kind, settings: Settings, *, trace: bool = False) -> None:
        self.random = Random(f"{seed}/{kind.name}")
        self.kind, self.settings, self.trace = kind, settings, trace
        self.now_s = 0.0
        self.is_quiet = False
        self.is_over = False
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.names: dict[RegionId, str] = {}
        self.lives: dict[RegionId, Life] = {}
        self.latency_s: dict[tuple[int, int], float] = {}
        self._last_s: dict[tuple[int, int], float] = {}
        """When the newest message of a link arrives: links keep the order, see `reorders`."""
        self.cut: Counter[tuple[int, int]] = Counter()
        self.loss = 0.0
        self.has_relays = True
        """Whether a third region passes on what two others cannot tell one another."""
        self.stall: dict[tuple[int, int], float] = {}
        self.jam: dict[tuple[int, int], float] = {}
        self.lag: dict[tuple[int, int], tuple[float, float]] = {}
        self.cuts: list[tuple[float, float, set[tuple[int, int]]]] = []
        self.downs: list[tuple[float, float, int]] = []
        self.limits: dict[str, int] = {}
        self.oracle = Oracle(self)

    def say(self, *what: object) -> None:
        if self.trace:
            print(f"{self.now_s:9.3f}", *what)  # noqa: T201  # a trace is for a person

    def at(self, delay_s: float, run: Callable[[], None]) -> None:
        self._at_time(self.now_s + delay_s, run)

    def _at_time(self, at_s: float, run: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (at_s, self._count, run))

    def until(self, end_s: float) -> None:
        while self._queue and self._queue[0][0] <= end_s:
            self.now_s, _, run = heapq.heappop(self._queue)
            run()
        self.now_s = end_s

    # ---- regions -----------------------------------------------------------------------------

    def boot(self, region: RegionId, disk: Disk | None = None) -> None:
        self.oracle.booted(region, has_disk=disk is not None)
        life = Life(self, region, disk or Disk())
        self.lives[region] = life
        self.say("BOOT", region, "incarnation after", life.disk.last_incarnation)
        life.region.open()
        for peer in sorted(self.lives):
            if peer != region:
                self._link_up({(region, peer), (peer, region)})

    def boot_late(self, region: RegionId, delay_s: float) -> None:
        """Let a region begin for the first time while the others serve."""
        self.downs.append((self.now_s, self.now_s + delay_s, region))
        self.at(delay_s, lambda: self.boot(region))

    def kill(self, region: RegionId, duration_s: float, *, keep_disk: bool = True) -> None:
        life = self.lives.get(region)
        if life is None or not life.is_alive:
            return
        life.is_alive = False
        self.downs.append((self.now_s, self.now_s + duration_s, region))
        self.say("KILL", region, round(duration_s, 1), "" if keep_disk else "and lose its disk")
        self.at(duration_s, lambda: self.revive(region, keep_disk=keep_disk))

    def revive(self, region: RegionId, *, keep_disk: bool = True) -> None:
        life = self.lives[region]
        if not life.is_alive:
            life.disk.queued.clear()
            life.disk.moving.clear()
            self.boot(region, life.disk if keep_disk else None)

    # ---- network -----------------------------------------------------------------------------

    def send(self, source: RegionId, target: RegionId, payload: bytes) -> None:
        pair = (source, target)
        if self.cut[pair] > 0 or (self.loss and self.random.random() < self.loss):
            return
        if payload[1] == RELAYED and not self.has_relays:
            return
        if payload[1] in RANGES and self.jam.get(pair, 0) > self.now_s:
            return
        self._deliver(source, target, payload)
        if self.kind.doubled and self.random.random() < self.kind.doubled:
            self._deliver(source, target, payload)

    def _deliver(self, source: RegionId, target: RegionId, payload: bytes) -> None:
        pair = (source, target)
        delay_s = self.latency_s[pair] * self.random.uniform(1, 1.15)
        until_s, extra_s = self.lag.get(pair, (0.0, 0.0))
        if until_s > self.now_s:
            delay_s += extra_s
        if self.stall.get(pair, 0) > self.now_s:
            delay_s = max(delay_s, self.stall[pair] - self.now_s + self.random.uniform(0, 0.01))
        at_s = self.now_s + delay_s
        if not self.kind.reorders:
            at_s = self._last_s[pair] = max(at_s, self._last_s.get(pair, 0.0))
        life = self.lives.get(target)

        def arrive() -> None:
            receiver = life or self.lives.get(target)
            if receiver is not None and receiver.is_alive:
                receiver.region.receive(source, payload)

        self._at_time(at_s, arrive)

    def _link_up(self, pairs: set[tuple[RegionId, RegionId]]) -> None:
        """Tell the dialling side of each link, two trips later, that it is up."""

        def up(source: RegionId, target: RegionId) -> None:
            life, other = self.lives.get(source), self.lives.get(target)
            if life and other and life.is_alive and other.is_alive and not self.cut[source, target]:
                life.region.peer_up(target)

        for source, target in sorted(pairs):
            self.at(2 * self.latency_s[source, target], partial(up, source, target))

    def partition(self, pairs: set[tuple[RegionId, RegionId]], duration_s: float) -> None:
        """Cut links, each of one direction, for a while."""
        self.cuts.append((self.now_s, self.now_s + duration_s, {(a, b) for a, b in pairs}))
        self.say("CUT", sorted(pairs), round(duration_s, 1))
        self.cut.update(pairs)

        def heal() -> None:
            self.cut.subtract(pairs)
            if duration_s > LINK_LOST_S:
                self._link_up(pairs)

        self.at(duration_s, heal)

    def is_unreachable(self, here: int, there: int, since_s: float) -> bool:
        """Whether news of `since_s` from one region cannot be known in the other by now."""
        if self.loss and self.now_s - since_s < LOSS_HEALED_S:
            return True
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
        for region in sorted(self.names):
            if region in self.lives:
                self.revive(region)
            else:
                self.boot(region)
