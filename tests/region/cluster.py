"""Real regions on one virtual clock, with links that a test can cut, slow down and read.

For scripted tests: nothing happens by chance, every link takes LINK_MS, and time passes only when
the test says so. The fuzzed world is in tests/model.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from crdt.dots import RegionId, SessionId
from crdt.errors import PeerError
from crdt.events import Device, Entry, HomeSet, Kick, Plan, PlanSet
from crdt.versions import NEWEST
from georeg.region import wire
from georeg.region.messages import Message
from georeg.region.model import (
    Admitted,
    Claims,
    Ended,
    Outcome,
    Refused,
    Renewed,
    SessionInfo,
    StartRequest,
)
from georeg.region.pending import Pending
from georeg.region.ports import Locked, Times
from georeg.region.region import Region
from georeg.region.settings import Settings
from region_sim.world.lock_service import LockService

T = TypeVar("T")
A, B, C, D = RegionId(1), RegionId(2), RegionId(3), RegionId(4)
NAMES = {A: "us", B: "eu", C: "ap", D: "sa"}
ACCOUNT = "acc-1"
LINK_MS = 4
EPOCH_MS = 1_700_000_000_000
ISSUED = EPOCH_MS << 16
"""When the account's plan was stated, as a hybrid logical time."""
HEARTBEAT_MS = 30_000
BEGIN_MS = 2_000
"""After this all regions have joined and heard one another's beacons echoed."""
PLANS = {1: "basic", 2: "standard", 4: "premium"}


class Disk:
    """The journal port in memory. `error`: what the next sync answers; `waits`: who was not yet."""

    def __init__(self) -> None:
        self.last = 0
        self.stored_kicks: dict[int, Kick] = {}
        self.queued: dict[int, Kick] = {}
        self.stored_plans: dict[str, PlanSet] = {}
        self.stored_homes: dict[str, HomeSet] = {}
        self.queued_homes: dict[str, HomeSet] = {}
        self.stored_peers: dict[RegionId, int] = {}
        self.stored_sessions: dict[int, Entry] = {}
        self.read: dict[int, Entry] = {}
        self.error: OSError | None = None
        self.lost = ""
        self.times: Times | None = None
        self.holds = False
        self.waits: list[Callable[[OSError | None], None]] = []

    def incarnation(self) -> int:
        return self.last

    @property
    def trouble(self) -> str:
        return str(self.error or "")

    def store_incarnation(self, incarnation: int) -> None:
        assert incarnation > self.last
        if self.error is not None:
            raise self.error
        self.last = incarnation

    def store_kick(self, kick: Kick) -> None:
        self.queued[kick.session] = kick

    def store_plan(self, plan: PlanSet) -> None:
        self.stored_plans[plan.account] = plan

    def store_home(self, home: HomeSet) -> None:
        known = self.queued_homes.get(home.account, home)
        self.queued_homes[home.account] = max(known, home, key=lambda h: h.number)

    def homes(self) -> list[HomeSet]:
        return [self.stored_homes[a] for a in sorted(self.stored_homes)]

    def store_peer(self, region: RegionId, incarnation: int) -> None:
        self.stored_peers[region] = incarnation

    def peers(self) -> dict[RegionId, int]:
        return self.stored_peers

    def store_session(self, entry: Entry) -> None:
        self.stored_sessions[entry.session] = entry

    def forget_session(self, session: int) -> None:
        self.stored_sessions.pop(session, None)

    def sync(self, then: Callable[[OSError | None], None]) -> None:
        if self.holds:
            self.waits.append(then)
            return
        if self.error is None:
            self.stored_kicks.update(self.queued)
            self.queued.clear()
            self.stored_homes.update(self.queued_homes)
            self.queued_homes.clear()
        then(self.error)

    def committed(self, then: Callable[[OSError | None], None]) -> None:
        then(None)

    def kicks(self) -> list[Kick]:
        return [self.stored_kicks[s] for s in sorted(self.stored_kicks)]

    def plans(self) -> list[PlanSet]:
        return [self.stored_plans[a] for a in sorted(self.stored_plans)]

    def sessions(self, after: int = 0) -> tuple[list[Entry], int | None]:
        if after == 0:
            self.read = dict(sorted(self.stored_sessions.items()))  # not overwritten meanwhile
        found = [session for session in self.read if session > after][:2]
        return [self.read[session] for session in found], found[-1] if found else None


class Timer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Clock:
    """A region's clocks: the monotonic one has an offset of its own; wall time is everybody's."""

    def __init__(self, cluster: "Cluster", offset_ms: int) -> None:
        self.cluster, self.offset_ms = cluster, offset_ms
        self.is_stopped = False

    def now_ms(self) -> int:
        return self.cluster.now_ms + self.offset_ms

    def wall_ms(self) -> int:
        return EPOCH_MS + self.cluster.now_ms + self.cluster.wall_jump_ms

    def call_later(self, delay_ms: int, callback: Callable[[], None]) -> Timer:
        timer = Timer()

        def run() -> None:
            if not timer.is_cancelled and not self.is_stopped:
                callback()

        self.cluster.at(delay_ms, run)
        return timer


class Links:
    """The mesh port of one region."""

    def __init__(self, cluster: "Cluster", region: RegionId) -> None:
        self.cluster, self.region = cluster, region

    def send(self, peer: RegionId, payload: bytes) -> None:
        self.cluster.carry(self.region, peer, payload)


class Line:
    """The lock port of one region: its line to the cluster's lock service."""

    def __init__(self, cluster: "Cluster", region: RegionId) -> None:
        self.cluster, self.region = cluster, region

    def acquire(
        self, seat: RegionId, owner: str, ttl_ms: int, above: int, then: Callable[[Locked], None]
    ) -> None:
        service = self.cluster.service
        self._call(lambda: service.acquire(seat, owner, ttl_ms, above), then)

    def renew(
        self, seat: RegionId, owner: str, number: int, ttl_ms: int, then: Callable[[Locked], None]
    ) -> None:
        service = self.cluster.service
        self._call(lambda: service.renew(seat, owner, number, ttl_ms), then)

    def release(self, seat: RegionId, owner: str, number: int) -> None:
        service = self.cluster.service
        self._call(lambda: service.release(seat, owner, number) or 0, lambda locked: None)

    def _call(self, act: Callable[[], int], then: Callable[[Locked], None]) -> None:
        cluster, clock = self.cluster, self.cluster.clocks[self.region]

        def arrive() -> None:
            number = act()
            clock.call_later(cluster.lock_ms, lambda: then(Locked(number)))

        if self.region not in cluster.lock_cuts:
            cluster.at(LINK_MS, arrive)
        else:
            clock.call_later(LINK_MS, lambda: then(Locked(error="refused")))


@dataclass(frozen=True)
class Sent:
    """One message that a region gave to its mesh."""

    at_ms: int
    source: RegionId
    target: RegionId
    message: Message


@dataclass
class Stream:
    """A session as its device knows it: what is in its token."""

    cluster: "Cluster"
    region: RegionId
    info: SessionInfo
    admitted: Admitted

    @property
    def session(self) -> SessionId:
        return self.info.session

    @property
    def claims(self) -> Claims:
        info = self.info
        return Claims(
            info.session, info.account, info.device.id, self.region, info.started_ms,
            info.deadline_s,
        )  # fmt: skip

    def beat(self, at: RegionId | None = None) -> Renewed | Ended:
        """A heartbeat as the edge hands it on, and its answer."""
        region = self.cluster.regions[at or self.region]
        if region.renew(self.session, self.info.account):
            return Renewed(self.session)
        return self.cluster.settled(region.heartbeat(self.claims))

    def stop(self, at: RegionId | None = None) -> None:
        self.cluster.regions[at or self.region].stop(self.claims)


class Cluster:
    """`regions` joined regions. Times in milliseconds since its begin."""

    def __init__(
        self,
        *ids: RegionId,
        limit: int = 1,
        home: RegionId = A,
        settings: Settings | None = None,
        links_ms: dict[tuple[RegionId, RegionId], int] | None = None,
        begin: bool = True,
        versions: dict[RegionId, int] | None = None,
    ) -> None:
        """`versions`: the highest protocol version of regions that do not speak the newest."""
        self.now_ms = 0
        self.versions = versions or {}
        self.wall_jump_ms = 0
        self.settings = settings or Settings()
        self.names = {r: NAMES[r] for r in ids or (A, B, C)}
        self.plan = Plan(PLANS.get(limit, "other"), limit, home)
        self.links_ms = {
            pair: ms for (a, b), ms in (links_ms or {}).items() for pair in ((a, b), (b, a))
        }
        self.sent: list[Sent] = []
        self.loses: Callable[[Sent], bool] = lambda sent: False
        """Messages for which this is true are lost."""
        self.delays: Callable[[Sent], int] = lambda sent: 0
        """Further milliseconds that a message takes."""
        self.has_liars = False
        """Whether a region may refuse what another one says, since somebody lied to that one."""
        self.service = LockService(lambda: self.now_ms)
        self.lock_cuts: set[RegionId] = set()
        """Regions that do not reach the lock service."""
        self.lock_ms = LINK_MS
        """How long an answer of it takes."""
        self._cuts: set[tuple[RegionId, RegionId]] = set()
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.disks = {r: Disk() for r in self.names}
        self.clocks: dict[RegionId, Clock] = {}
        self.regions: dict[RegionId, Region] = {}
        if begin:
            for region in self.names:
                self.boot(region)
            self.run(BEGIN_MS)
            assert all(r.joined for r in self.regions.values())
            self.sent.clear()

    # ---- time --------------------------------------------------------------------------------

    def at(self, delay_ms: int, run: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._count, run))

    def run(self, ms: int) -> None:
        """Let time pass."""
        end_ms = self.now_ms + ms
        while self._queue and self._queue[0][0] <= end_ms:
            self.now_ms, _, run = heapq.heappop(self._queue)
            run()
        self.now_ms = end_ms

    def play(self, ms: int, *streams: Stream) -> None:
        """Let time pass while these devices go on with their heartbeats."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            for stream in streams:
                assert isinstance(stream.beat(), Renewed)
            self.run(min(HEARTBEAT_MS, end_ms - self.now_ms))

    def settled(self, pending: Pending[T], within_ms: int = 3_000) -> T:
        """The value, as soon as it is there."""
        end_ms = self.now_ms + within_ms
        while pending.value is None and self._queue and self._queue[0][0] <= end_ms:
            self.now_ms, _, run = heapq.heappop(self._queue)
            run()
        assert pending.value is not None, "not settled in time"
        return pending.value

    # ---- regions -----------------------------------------------------------------------------

    def boot(self, region: RegionId, disk: Disk | None = None) -> Region:
        """A new process of the region, on its old disk if none is given."""
        if disk is not None:
            self.disks[region] = disk
        clock = Clock(self, 1_000_000 * region + 10_000 * self._count)
        self.clocks[region] = clock
        self.regions[region] = made = Region(
            region, self.names, self.settings, clock, Links(self, region), self.disks[region],
            Random(region), locks=Line(self, region),
        )  # fmt: skip
        for peer in set(self.names) - {region}:
            self.join(region, peer)
            self.join(peer, region)
        made.open()
        return made

    def version(self, a: RegionId, b: RegionId) -> int:
        """The protocol version that two regions agree on."""
        return min(self.versions.get(a, NEWEST), self.versions.get(b, NEWEST))

    def join(self, source: RegionId, target: RegionId) -> None:
        """A new connection: the dialling region learns what is spoken there, as from its mesh."""
        region = self.regions.get(source)
        if region is not None and target in region._replication.links:
            region._replication.links[target].version = self.version(source, target)

    def kill(self, region: RegionId) -> None:
        """The process is gone, and what its disk had not yet stored."""
        self.clocks[region].is_stopped = True
        self.disks[region].queued.clear()
        self.disks[region].queued_homes.clear()
        del self.regions[region]

    # ---- links -------------------------------------------------------------------------------

    def carry(self, source: RegionId, target: RegionId, payload: bytes) -> None:
        version = self.version(source, target)
        sent = Sent(self.now_ms, source, target, wire.decode(payload, version))
        self.sent.append(sent)
        if (source, target) in self._cuts or self.loses(sent):
            return
        receiver = self.regions.get(target)

        def arrive() -> None:
            if receiver is None or self.regions.get(target) is not receiver:
                return
            try:
                receiver.receive(source, payload, version)
            except PeerError:
                if not self.has_liars:
                    raise

        self.at(self.links_ms.get((source, target), LINK_MS) + self.delays(sent), arrive)

    def cut(self, *side: RegionId) -> None:
        """A partition: these regions on one side, the others on the other."""
        for a in side:
            for b in set(self.names) - set(side):
                self._cuts |= {(a, b), (b, a)}

    def cut_link(self, a: RegionId, b: RegionId, *, both_ways: bool = True) -> None:
        self._cuts |= {(a, b), (b, a)} if both_ways else {(a, b)}

    def heal(self) -> None:
        self._cuts.clear()

    def lose(self, *kinds: type) -> None:
        """Lose every message of these kinds from now on; none: lose nothing."""
        self.loses = lambda sent: isinstance(sent.message, kinds)

    def messages(self, kind: type, source: RegionId | None = None) -> list[Sent]:
        """What was sent of a kind since the begin, or since `sent` was cleared."""
        return [s for s in self.sent if isinstance(s.message, kind) and source in (None, s.source)]

    # ---- devices -----------------------------------------------------------------------------

    def request(self, device: str, account: str = ACCOUNT, **more: object) -> StartRequest:
        plain = StartRequest(
            account, Device(device, f"the {device}", "tv"), plan=self.plan, plan_issued=ISSUED
        )
        return replace(plain, **more)  # type: ignore[arg-type]  # the test names real fields

    def begin(self, at: RegionId, device: str, **more: object) -> Pending[Outcome]:
        """A start, not waited for."""
        return self.regions[at].start(self.request(device, **more))  # type: ignore[arg-type]

    def start(self, at: RegionId, device: str, **more: object) -> Stream:
        """A start that must be admitted."""
        outcome = self.settled(self.begin(at, device, **more))
        assert isinstance(outcome, Admitted), outcome
        return Stream(self, at, outcome.info, outcome)

    def refused(self, at: RegionId, device: str, **more: object) -> Refused:
        """A start that must be refused."""
        outcome = self.settled(self.begin(at, device, **more))
        assert isinstance(outcome, Refused), outcome
        return outcome

    def listed(self, at: RegionId, account: str = ACCOUNT) -> list[str]:
        """The devices that a region lists for the account, in order."""
        return [s.device.id for s in self.regions[at].sessions(account).sessions]

    def live(self, at: RegionId, account: str = ACCOUNT) -> list[str]:
        """The devices that live as far as a region knows, in order of their place."""
        return [e.device.id for e in self.regions[at]._state.live(account)]

    def usable(self, at: RegionId, account: str = ACCOUNT) -> int:
        """Slots that a region may use without asking."""
        return self.regions[at]._budget.usable(account)

    def counter(self, at: RegionId, name: str) -> int:
        return self.regions[at].status().counters.get(name, 0)
