"""The sessions that one process knows, and what it does with them: the rules of a single store.

The rules are those of a good limiter in one place: a session is a lease that heartbeats renew, a
start of the same device supersedes, a suspect session yields, an end is remembered and wins over
heartbeats, a token that is valid but unknown is adopted. What is counted is distinct devices.

Invariant: at most one record per session, and a record that has an end never lives again. Whoever
holds the store decides what it contains: all sessions (central), those of one region (independent),
or what the gossip has brought (gossip). `owns` says of which records this process hears the
heartbeats itself; only those yield, since of others a missing heartbeat may be a missing message.

Leases are checked when an account is looked at, so nothing runs in the background.
Cost: a start looks at all records of its account that are younger than their hard deadline.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from crdt.dots import INCARNATION_MAX, RegionId, SessionId, pack
from crdt.events import ActorKind, Plan, Reason
from georeg.region.model import (
    Admitted,
    Basis,
    Blocker,
    Claims,
    Conflict,
    Ended,
    How,
    Kicked,
    KickOutcome,
    Listing,
    NoSession,
    Outcome,
    Refused,
    Renewed,
    SessionInfo,
    StartRequest,
    State,
)
from georeg.region.settings import Settings
from region_sim.baselines.records import (
    Clock,
    Record,
    adopted,
    devices,
    ended,
    gives_way,
    is_same,
    place,
)

SEQUENCE_MIN: Final = 1 << 6
"""georeg's ids carry a shard in the lowest bits; ids that look alike are compared more easily."""
ANSWERS_MAX: Final = 100_000
"""Idempotency keys that are remembered; the oldest goes first."""


class Store:
    """Sessions, ends, plans and answers, by account."""

    def __init__(self, settings: Settings, clock: Clock, random: Random) -> None:
        """`random` draws the number that keeps ids apart from those of a store that was lost."""
        self.settings = settings
        self.owns: Callable[[Record], bool] = lambda record: True
        self.on_change: Callable[[Record], None] = lambda record: None
        """A record is new, has moved or has ended."""
        self.on_beat: Callable[[Record], None] = lambda record: None
        """A record was only heard of again."""
        self.on_plan: Callable[[str], None] = lambda account: None
        """An account has a new plan."""
        self.age_ms: Callable[[Record], int] = lambda record: 0
        """How old the knowledge of a record is that this process does not own."""
        self.waits_for: Callable[[Record], tuple[RegionId, ...]] = lambda record: ()
        """The region that has not yet heard of the end of a session that it holds."""
        self.out_of_reach: Callable[[], tuple[RegionId, ...]] = tuple
        self._clock = clock
        self._wall_offset_ms = clock.wall_ms() - clock.now_ms()
        self._incarnation = random.randint(1, INCARNATION_MAX)
        self._sequence = SEQUENCE_MIN
        self._accounts: dict[str, dict[SessionId, Record]] = {}
        self._plans: dict[str, tuple[int, Plan]] = {}
        self._answers: dict[tuple[str, str], tuple[StartRequest, int, Outcome]] = {}

    def reopen(self, clock: Clock) -> None:
        """The process has started again, and its monotonic clock with it.

        Leases have gone on by the wall clock, but each session that lived when a device was last
        heard is left time for one heartbeat: devices are not to blame that nobody listened.
        """
        lease_ms = self.settings.client_lease_ms
        last_ms = max((record.heard_ms for record in self.records()), default=0)
        for record in self.records():
            has_lapsed = last_ms - record.heard_ms >= lease_ms
            age_ms_max = lease_ms if has_lapsed else lease_ms - self.settings.heartbeat_ms
            age_ms = clock.wall_ms() - (record.heard_ms + self._wall_offset_ms)
            record.heard_ms = clock.now_ms() - min(max(0, age_ms), age_ms_max)
        self._clock = clock
        self._wall_offset_ms = clock.wall_ms() - clock.now_ms()
        self._answers.clear()

    # ---- what there is -----------------------------------------------------------------------

    def records(self) -> Iterable[Record]:
        """All of them, ended ones included."""
        return (record for known in self._accounts.values() for record in known.values())

    def find(self, account: str, session: SessionId) -> Record | None:
        """A session's record, whatever its state."""
        return self._accounts.get(account, {}).get(session)

    def put(self, record: Record) -> None:
        """A record that is new here."""
        self._accounts.setdefault(record.account, {})[record.session] = record

    def is_live(self, record: Record) -> bool:
        """Not ended, and heard of within its lease."""
        silent_ms = self._clock.now_ms() - record.heard_ms
        return record.end is None and silent_ms < self.settings.client_lease_ms

    def live(self, account: str) -> list[Record]:
        """The account's live sessions, the oldest first; forgets what is past its deadline."""
        known = self._accounts.get(account)
        if known is None:
            return []
        wall_s = self._clock.wall_ms() // 1000
        for session in [s for s, record in known.items() if record.deadline_s <= wall_s]:
            del known[session]
        return sorted(filter(self.is_live, known.values()), key=place)

    def limit_of(self, account: str) -> int:
        """Of the latest plan; the default of an account whose plan is unknown."""
        known = self._plans.get(account)
        return known[1].limit if known is not None else self.settings.default_limit

    # ---- what is asked for -------------------------------------------------------------------

    def start(self, request: StartRequest, region: RegionId) -> Outcome:
        """Decide a start in a region. A retry with its key gets the first answer."""
        if request.plan is not None:
            self.set_plan(request.account, request.plan, request.plan_issued)
        if not request.idempotency_key:
            return self._decide(request, region)
        now_ms, key = self._clock.now_ms(), (request.account, request.idempotency_key)
        known = self._answers.get(key)
        if known is not None and now_ms < known[1] + self.settings.idempotency_ms:
            return known[2] if is_same(known[0], request) else Conflict()
        outcome = self._decide(request, region)
        self._answers[key] = (request, now_ms, outcome)
        if len(self._answers) > ANSWERS_MAX:
            del self._answers[next(iter(self._answers))]
        return outcome

    def heartbeat(self, claims: Claims, region: RegionId) -> Renewed | Ended:
        """A heartbeat in a region: renewed, moved here, adopted, revived, or over."""
        now_ms, wall_ms = self._clock.now_ms(), self._clock.wall_ms()
        record = self.find(claims.account, claims.session)
        if record is not None and record.end is not None:
            return record.end
        if claims.deadline_s <= wall_ms // 1000:
            return ended(claims.session, Reason.EXPIRED, wall_ms)
        if record is None:
            record = adopted(claims, region, self._clock.now_ms())
            self.put(record)
        elif self.owns(record) and not self.is_live(record) and not self._has_room(record):
            self.end(record, Reason.LAPSED)
            return record.end or ended(claims.session, Reason.LAPSED, wall_ms)
        has_moved = record.region != region
        if has_moved:
            record.region, record.hop, record.beat = region, record.hop + 1, 0
        record.heard_ms, record.beat = now_ms, record.beat + 1
        (self.on_change if has_moved or record.beat == 1 else self.on_beat)(record)
        return Renewed(record.session)

    def stop(self, claims: Claims, region: RegionId) -> None:
        """The device ends its session; it is remembered also of a session unknown here."""
        record = self.find(claims.account, claims.session)
        if record is None:
            record = adopted(claims, region, self._clock.now_ms())
            self.put(record)
        if record.end is None:
            self.end(record, Reason.STOPPED, ActorKind.DEVICE)

    def kick(self, account: str, session: SessionId, actor: ActorKind) -> KickOutcome:
        """End a session for good; again is the same answer."""
        record = self.find(account, session)
        if record is None or (record.end is None and not self.is_live(record)):
            return NoSession()
        if record.end is None:
            self.end(record, Reason.KICKED, actor)
        elif record.end.reason is not Reason.KICKED:
            return NoSession()
        return Kicked(self.info(record), self.waits_for(record))

    def set_plan(self, account: str, plan: Plan, issued: int) -> bool:
        """Note a plan; False when a later statement is known."""
        known = self._plans.get(account)
        if known is not None and known[0] > issued:
            return False
        if known != (issued, plan):
            self._plans[account] = (issued, plan)
            self.on_plan(account)
        return True

    def plans(self) -> list[tuple[str, int, Plan]]:
        """Account, time of the statement, plan."""
        return [(account, *known) for account, known in sorted(self._plans.items())]

    def listing(self, account: str) -> Listing:
        """The account's live sessions."""
        known = self._plans.get(account)
        return Listing(
            account=account,
            plan=known[1].name if known is not None else "",
            limit=self.limit_of(account),
            sessions=tuple(self.info(record) for record in self.live(account)),
            out_of_reach=self.out_of_reach(),
        )

    # ---- changes -----------------------------------------------------------------------------

    def end(
        self,
        record: Record,
        reason: Reason,
        actor: ActorKind = ActorKind.SYSTEM,
        actor_device: str = "",
    ) -> None:
        """The session is over."""
        at_ms = self._clock.wall_ms()
        record.end = ended(record.session, reason, at_ms, actor, actor_device)
        self.on_change(record)

    def _decide(self, request: StartRequest, region: RegionId) -> Outcome:
        """Admit when fewer than the limit of other devices are live, once suspects have yielded."""
        limit = self.limit_of(request.account)
        live = self.live(request.account)
        others = [r for r in live if not gives_way(r, request)]
        weak = sorted((r for r in others if self._yields(r)), key=lambda r: (r.heard_ms, r.session))
        firm = [r for r in others if not self._yields(r)]
        if devices(firm) >= limit:
            return self._refused(limit, firm)
        while devices([*firm, *weak]) >= limit:
            self.end(weak.pop(0), Reason.DISPLACED)
        for record in live:
            if gives_way(record, request):
                is_same = record.device.id == request.device.id
                reason = Reason.SUPERSEDED if is_same else Reason.REPLACED
                self.end(record, reason, ActorKind.DEVICE, request.device.name)
        return self._admitted(request, region, limit)

    def _admitted(self, request: StartRequest, region: RegionId, limit: int) -> Admitted:
        now_ms, wall_ms = self._clock.now_ms(), self._clock.wall_ms()
        self._sequence += 1
        record = Record(
            session=SessionId(pack(region, self._incarnation, self._sequence)),
            account=request.account,
            device=request.device,
            title=request.title,
            region=region,
            started_ms=wall_ms,
            deadline_s=wall_ms // 1000 + self.settings.session_limit_s,
            heard_ms=now_ms,
        )
        self.put(record)
        self.on_change(record)
        live = self.live(request.account)
        return Admitted(
            info=self.info(record),
            basis=Basis.GRANTED,
            limit=limit,
            live=devices(live),
            took_ms=0,
            sessions=tuple(self.info(r) for r in live),
        )

    def _refused(self, limit: int, firm: list[Record]) -> Refused:
        blockers = tuple(
            Blocker(self.info(r), How.LOCAL, self._silent_ms(r))
            if self.owns(r)
            else Blocker(self.info(r), How.BEACON, self.age_ms(r))
            for r in firm
        )
        is_local = all(blocker.how is How.LOCAL for blocker in blockers)
        return Refused(limit, How.LOCAL if is_local else How.BEACON, blockers, 0)

    def _has_room(self, record: Record) -> bool:
        """Whether a lapsed session may go on, as if it were a start."""
        others = [r for r in self.live(record.account) if r.device.id != record.device.id]
        return devices(others) < self.limit_of(record.account)

    # ---- how it is shown ---------------------------------------------------------------------

    def info(self, record: Record) -> SessionInfo:
        """A session as people see it."""
        wall_ms, silent_ms = self._clock.wall_ms(), self._silent_ms(record)
        lapses_ms = wall_ms - silent_ms + self.settings.client_lease_ms
        return SessionInfo(
            session=record.session,
            account=record.account,
            device=record.device,
            title=record.title,
            region=record.region,
            started_ms=record.started_ms,
            last_seen_ms=max(record.started_ms, wall_ms - silent_ms),
            state=State.SUSPECT if silent_ms > self.settings.suspect_ms else State.LIVE,
            deadline_s=record.deadline_s,
            lapses_ms=min(lapses_ms, record.deadline_s * 1000),
        )

    def _silent_ms(self, record: Record) -> int:
        return max(0, self._clock.now_ms() - record.heard_ms)

    def _yields(self, record: Record) -> bool:
        return self.owns(record) and self._silent_ms(record) > self.settings.suspect_ms
