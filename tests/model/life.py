"""What one life of a region stands on: a drifting clock, links, a disk that may survive it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from crdt.dots import RegionId
from crdt.events import Entry, HomeSet, Kick, PlanSet
from georeg.region.ports import Times
from georeg.region.region import Region

if TYPE_CHECKING:
    from tests.model.world import World

EPOCH_MS = 1_700_000_000_000


class Disk:
    """What survives a kill: the journal port, in memory, durable a moment after `sync`.

    Own sessions are there at once, their ends at the next sync only: the worst that may be lost.
    """

    def __init__(self) -> None:
        self.last_incarnation = 0
        self.stored: dict[int, Kick] = {}
        self.queued: dict[int, Kick] = {}
        self.statements: dict[str, PlanSet] = {}
        self.moved: dict[str, HomeSet] = {}
        self.moving: dict[str, HomeSet] = {}
        self.held: dict[int, Entry] = {}
        self.heard: dict[RegionId, int] = {}
        self.ended: set[int] = set()
        self.lost = self.trouble = ""
        self.times: Times | None = None

    def incarnation(self) -> int:
        return self.last_incarnation

    def store_incarnation(self, incarnation: int) -> None:
        assert incarnation > self.last_incarnation
        self.last_incarnation = incarnation

    def store_kick(self, kick: Kick) -> None:
        self.queued[kick.session] = kick

    def store_plan(self, plan: PlanSet) -> None:
        self.statements[plan.account] = plan

    def store_home(self, home: HomeSet) -> None:
        known = self.moving.get(home.account, home)
        self.moving[home.account] = max(known, home, key=lambda h: h.number)

    def homes(self) -> list[HomeSet]:
        return [self.moved[a] for a in sorted(self.moved)]

    def store_peer(self, region: RegionId, incarnation: int) -> None:
        self.heard[region] = incarnation

    def peers(self) -> dict[RegionId, int]:
        return self.heard

    def store_session(self, entry: Entry) -> None:
        self.held[entry.session] = entry
        self.ended.discard(entry.session)

    def forget_session(self, session: int) -> None:
        self.ended.add(session)

    def sync(self, then: Callable[[OSError | None], None]) -> None:
        self.stored.update(self.queued)
        self.queued.clear()
        self.moved.update(self.moving)
        self.moving.clear()
        self.held = {s: entry for s, entry in self.held.items() if s not in self.ended}
        self.ended.clear()
        then(None)

    def committed(self, then: Callable[[OSError | None], None]) -> None:
        then(None)

    def kicks(self) -> list[Kick]:
        return [self.stored[s] for s in sorted(self.stored)]

    def plans(self) -> list[PlanSet]:
        return [self.statements[a] for a in sorted(self.statements)]

    def sessions(self, after: int = 0) -> tuple[list[Entry], int | None]:
        found = sorted(session for session in self.held if session > after)[:2]
        return [self.held[session] for session in found], found[-1] if found else None


class _Timer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class RegionClock:
    """One life's clocks: a monotonic one with an offset and a rate of its own; the true wall."""

    def __init__(self, world: World, life: Life) -> None:
        self.world, self.life = world, life
        self.offset_ms = world.random.randrange(200_000, 10_000_000)
        drift = world.kind.drift
        self.rate = 1 + world.random.uniform(-drift, drift)

    def now_ms(self) -> int:
        return int(self.world.now_s * 1000 * self.rate) + self.offset_ms

    def wall_ms(self) -> int:
        return EPOCH_MS + int(self.world.now_s * 1000)

    def call_later(self, delay_ms: int, callback: Callable[[], None]) -> _Timer:
        timer, life = _Timer(), self.life

        def run() -> None:
            if life.is_alive and not timer.is_cancelled:
                callback()

        self.world.at(delay_ms / 1000 / self.rate, run)
        return timer


class RegionMesh:
    """The links of one life of a region."""

    def __init__(self, world: World, region: RegionId) -> None:
        self.world, self.region = world, region

    def send(self, peer: RegionId, payload: bytes) -> None:
        self.world.send(self.region, peer, payload)


class Life:
    """One life of a region: from boot to kill."""

    def __init__(self, world: World, region: RegionId, disk: Disk) -> None:
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
