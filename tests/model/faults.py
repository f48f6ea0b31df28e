"""What goes wrong in a world, by its kind: cuts, loss, stuck and slow links, kills, late starts."""

from collections.abc import Callable
from functools import partial

from crdt.dots import RegionId
from tests.model.world import World

Pairs = set[tuple[RegionId, RegionId]]


class Faults:
    """Draws the faults of one run and puts them on the world's queue."""

    def __init__(self, world: World, end_s: float) -> None:
        self.world, self.end_s, self.random = world, end_s, world.random
        self.regions = sorted(world.names)

    def plan(self) -> None:
        """All that the kind asks for."""
        getattr(self, f"_{self.world.kind.name}", lambda: None)()

    def _cut(self) -> None:
        pairs = self._split("full")
        self.world.at(20, lambda: self.world.partition(pairs, self.end_s - 50))

    def _excess(self) -> None:
        """A cut to the very end, so that what it let in is judged right after it."""
        pairs = self._split("full")
        self.world.at(20, lambda: self.world.partition(pairs, self.end_s - 20))

    def _lossy(self) -> None:
        self.world.loss = self.random.choice((0, 0.3))
        for _ in range(6):
            self._slow_link()
        for _ in range(3):
            self._stall()

    def _restart(self) -> None:
        if self.random.random() < 0.3:
            self.world.boot_late(self.regions[-1], self.random.uniform(5, 40))
        for _ in range(2):
            self._kill(keep_disk=self.random.random() < 0.6)

    def _faulty(self) -> None:
        random = self.random
        self.world.loss = random.choice((0, 0, 0.02, 0.08))
        for _ in range(random.randint(0, 3)):
            pairs = self._split(random.choice(("full", "oneway", "partial")))
            length_s = random.choice((random.uniform(1, 8), random.uniform(8, 80)))
            self._some_time(0.8, partial(self.world.partition, pairs, length_s))
        for _ in range(random.choice((0, 0, 1, 2))):
            self._kill(keep_disk=True)
        for _ in range(random.randint(0, 4)):
            self._stall()

    def _stormy_movers(self) -> None:
        """As where anything may fail, and disks are lost: who has given a home away forgets it."""
        self._faulty()
        for _ in range(self.random.choice((1, 2))):
            self._kill(keep_disk=self.random.random() < 0.4)

    # ---- one fault each ----------------------------------------------------------------------

    def _some_time(self, last: float, act: Callable[[], None]) -> None:
        """Between 5 s and the given share of the run."""
        self.world.at(self.random.uniform(5, self.end_s * last), act)

    def _split(self, how: str) -> Pairs:
        regions = self.regions
        if how == "partial":
            a, b = self.random.sample(regions, 2)
            return {(a, b), (b, a)}
        side = set(self.random.sample(regions, self.random.randint(1, len(regions) - 1)))
        return {
            (a, b)
            for a in regions
            for b in regions
            if (a in side and b not in side) or (how == "full" and b in side and a not in side)
        }

    def _kill(self, *, keep_disk: bool) -> None:
        region, length_s = self.random.choice(self.regions), self.random.uniform(3, 40)
        self._some_time(0.8, lambda: self.world.kill(region, length_s, keep_disk=keep_disk))

    def _slow_link(self) -> None:
        """Ranges get stuck while beacons pass, or everything lags by seconds."""
        world, random = self.world, self.random
        a, b = random.sample(self.regions, 2)
        length_s, extra_s = random.uniform(8, 40), random.uniform(2, 8)
        is_jam = random.random() < 0.5

        def begin() -> None:
            until_s = world.now_s + length_s
            world.cuts.append((world.now_s, until_s, {(a, b)}))
            if is_jam:
                world.jam[a, b] = until_s
            else:
                world.lag[a, b] = (until_s, extra_s)

        self._some_time(0.8, begin)

    def _stall(self) -> None:
        """A link, or all links to a region, hold everything back and then deliver it at once."""
        world, random = self.world, self.random
        target = random.choice(self.regions)
        others = [r for r in self.regions if r != target]
        sources = [random.choice(others)] if random.random() < 0.5 else others
        length_s = random.uniform(1, 9)

        def begin() -> None:
            until_s = world.now_s + length_s
            world.cuts.append((world.now_s, until_s, {(s, target) for s in sources}))
            for source in sources:
                world.stall[source, target] = until_s

        self._some_time(0.9, begin)
