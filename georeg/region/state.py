"""The sessions of one region: what it holds, what it sees, and the four ways in which that changes.

Invariants: no live session is in the kick ledger; an own session past its client lease is released
by whoever looks at it first, so that no rule ever counts it; every change of a session goes through
`hold`, `release`, `stop` or `kick` and so through one shard's log.

Cost: everything here touches the sessions of one account. Leases have no timers: they are checked
when somebody looks, and a sweep (see sweep.py) finds those at which nobody does.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from crdt.accounts import NONE
from crdt.dots import SHARDS, RegionId, SessionId, region_of, shard_of
from crdt.events import SILENCE, ActorKind, Device, Entry, Kick, Plan, PlanSet, Reason
from crdt.hlc import Hlc
from crdt.interner import Interner
from crdt.liveness import RegionState as Liveness
from crdt.liveness import RegionTable
from crdt.sessions import NEVER
from crdt.shard import Shard
from crdt.stops import End
from georeg.region.decisions import Decisions, Kind
from georeg.region.ends import Watches, ended_by, ended_otherwise
from georeg.region.hints import Hints
from georeg.region.look import Look, by_place, keep_highest
from georeg.region.members import Members
from georeg.region.model import Ended
from georeg.region.nameless import Nameless
from georeg.region.ports import Clock, Journal
from georeg.region.seats import Seats
from georeg.region.seen import Seen, vouch
from georeg.region.settings import PlanPolicy, Settings

_RELEASED: Final = {reason: f"released_{reason.name.lower()}" for reason in Reason}


class RegionState:
    """What one region knows, by account."""

    def __init__(
        self, region: RegionId, members: Members, settings: Settings, clock: Clock, journal: Journal
    ) -> None:
        self.region = region
        self.members = members
        self.peers = members.peers
        self.settings = settings
        self.clock = clock
        self.begun_ms = clock.now_ms()
        self.journal = journal
        labels: Interner[str] = Interner()
        plans: Interner[Plan] = Interner()
        self.shards = [
            Shard(index, region, memory_ms=settings.ends_memory_ms, labels=labels, plans=plans)
            for index in range(SHARDS)
        ]
        self._looked = Look("", self.shards[shard_of("")])
        self.regions = RegionTable(
            self.peers,
            suspect_ms=settings.region_suspect_ms,
            down_ms=settings.region_down_ms,
            now_ms=clock.now_ms(),
        )
        self.incarnation = 0
        self.seats = Seats(region, members, self.regions, settings, clock)
        self.dirty: set[int] = set()
        """Shards whose log has grown since the last flush."""
        self.counters: Counter[str] = Counter()
        self.hlc = Hlc(settings.plan_ahead_ms)
        self.nameless = Nameless()
        self.hints = Hints(members, self.shards, clock, settings)
        self.watches = Watches()
        self.decisions = Decisions(clock)
        self.on_dirty: Callable[[bool], None] = lambda at_once: None
        """Set by replication: something was logged; flush soon, or at once."""
        self.on_uncovered: Callable[[str, bool], None] = lambda account, is_provisional: None
        """Set by overdrafts: an account holds a session that no grant covers as yet."""
        self.on_kick: Callable[[Kick], None] = lambda kick: None
        """Set by starts: a kick was made here or heard of."""

    def set_peers(self) -> None:
        """The cluster has grown or shrunk: homes may have moved, and who is listened for."""
        self.peers = self.members.peers
        self.regions.set_peers(self.peers, self.clock.now_ms())
        self.seats.set_peers()
        self._looked = Look("", self.shards[shard_of("")])

    # ---- looking -----------------------------------------------------------------------------

    def shard(self, account: str) -> Shard:
        """The shard of an account."""
        looked = self._looked
        return looked.shard if looked.account == account else self.shards[shard_of(account)]

    def look(self, account: str) -> Look:
        """What is known of an account now."""
        looked = self._looked
        if looked.account != account or looked.changes != looked.shard.changes:
            looked = self._looked = Look(account, self.shard(account))
        return looked

    def knows_of(self, account: str) -> bool:
        """Whether any dot of the account is known here."""
        return bool(self.look(account).rows or self.hints.of(account))

    def own_count(self, account: str) -> int:
        """How many live sessions are held here."""
        return len(self._own(account))

    def _own(self, account: str) -> list[tuple[int, Entry, int]]:
        """(row, entry, when last heard) of what lives here; releases what is over."""
        look = self.look(account)
        heard = look.shard.sessions.heard
        if not [row for row in look.rows if heard[row] != NEVER]:
            return []  # asked at each replicated event: nothing is decoded for others' sessions
        oldest_ms = self.clock.now_ms() - self.settings.client_lease_ms
        wall_s = self.clock.wall_ms() // 1000
        own = []
        for row, entry in zip(look.rows, look.entries, strict=True):
            heard_ms = heard[row]
            if heard_ms == NEVER:
                continue
            if entry.deadline_s <= wall_s:
                self.release(entry, Reason.EXPIRED)
            elif heard_ms < oldest_ms:
                self.release(entry, Reason.LAPSED)
            else:
                own.append((row, entry, heard_ms))
        return own

    def own(self, account: str) -> list[Seen]:
        """The live sessions held here, as this region vouches for them."""
        own = self._own(account)
        if not own:
            return []
        sessions, now_ms = self.shard(account).sessions, self.clock.now_ms()
        suspect_ms, begun_ms = self.settings.suspect_ms, self.begun_ms
        return [
            vouch(entry, now_ms - at_ms, suspect_ms, sessions.is_settled(row), at_ms < begun_ms)
            for row, entry, at_ms in own
        ]

    def held(self, account: str, session: int) -> Entry | None:
        """The entry of a live session that is held here."""
        if self.shard(account).sessions.own_row(account, session) == NONE:
            return None
        return next((e for _, e, _ in self._own(account) if e.session == session), None)

    def live(self, account: str, own: list[Seen] | None = None) -> list[Entry]:
        """The account's live sessions in the view: of each the entry that holds it, oldest first.

        Live: a dot of a region that is not down, neither kicked nor stopped, hard deadline ahead.
        `own`: those held here, where the caller has just looked them up.
        """
        hints = self.hints.of(account)
        if not hints and not self.look(account).rows:
            return []
        best: dict[SessionId, Entry] = {}
        for seen in self.own(account) if own is None else own:
            keep_highest(best, seen.entry)
        now_ms, wall_s = self.clock.now_ms(), self.clock.wall_ms() // 1000
        for entry in (*self.look(account).entries, *hints):
            region = region_of(entry.dot)
            if region != self.region and self.regions.state(region, now_ms) is not Liveness.DOWN:
                keep_highest(best, entry)
        shard = self.shard(account)
        kicked, is_stopped = shard.ledger, shard.stops.is_stopped
        live = [e for s, e in best.items() if not (s in kicked or is_stopped(s))]
        return sorted((e for e in live if e.deadline_s > wall_s), key=by_place)

    def known(self, account: str) -> list[Entry]:
        """Every dot of the account that is known here, whether it lives or not."""
        hints, entries = self.hints.of(account), self.look(account).entries
        return [*entries, *hints] if hints else entries

    def holder(self, account: str, session: SessionId) -> Entry | None:
        """The entry that holds a session as far as is known, also where its region is down."""
        entries = [e for e in self.known(account) if e.session == session]
        return max(entries, key=lambda e: (e.hop, e.dot), default=None)

    def plan_of(self, account: str) -> PlanSet | None:
        """The statement of the account's plan that holds here."""
        return self.look(account).plan

    def kicked(self, account: str, session: SessionId) -> Kick | None:
        """The kick that ended a session, if one did."""
        return self.shard(account).ledger.get(session)

    def is_final(self, account: str, session: SessionId) -> bool:
        """Whether a session was kicked or stopped: whoever still holds it has not heard of it."""
        shard = self.shard(account)
        return session in shard.ledger or shard.stops.is_stopped(session)

    def end_of(self, account: str, session: SessionId) -> End | None:
        """How a session ended, when it has; None also if its end is not remembered.

        One that ended for its silence goes on where any region still holds it, and where its device
        was heard in time and later than in the region that ended it.
        """
        stops, now_ms = self.shard(account).stops, self.clock.now_ms()
        end = stops.get(session, now_ms)
        if end is not None and end.reason in SILENCE:
            heard_ms = stops.outlived_ms(session)
            is_in_time = heard_ms is not None and now_ms - heard_ms <= self.settings.suspect_ms
            return None if is_in_time or self.holder(account, session) is not None else end
        return end

    def limit_of(self, account: str) -> int:
        """The account's limit; an unknown plan never shrinks it."""
        known = self.look(account).plan
        return known.plan.limit if known is not None else self.settings.default_limit

    def policy_of(self, account: str) -> PlanPolicy:
        """How the account's plan behaves at its limit."""
        known = self.look(account).plan
        policy = self.settings.plans.get(known.plan.name) if known is not None else None
        return policy or PlanPolicy(self.limit_of(account))

    def seat_of(self, account: str) -> RegionId:
        """The seat whose home leases out the account's slots."""
        if (look := self.look(account)).seat is None:
            look.seat = self.members.home(account, look.pinned, look.moved)
        return look.seat

    def home_of(self, account: str) -> RegionId:
        """The region that leases out the account's slots; NOBODY: none does at present."""
        return self.seats.home(self.seat_of(account))

    def is_home_open(self, account: str) -> bool:
        """Whether regions may differ about who that is (members.py)."""
        return self.members.is_moving(account, (it := self.look(account)).pinned, it.moved)

    # ---- the four changes --------------------------------------------------------------------

    def hold(
        self,
        account: str,
        device: Device,
        *,
        session: SessionId | None = None,
        title: str = "",
        started_ms: int,
        placed_ms: int,
        deadline_s: int,
        hop: int = 0,
        provisional: bool = False,
        unconfirmed: bool = False,
        heard_ms: int | None = None,
        at_once: bool = False,
    ) -> Entry:
        """Hold a session from now on: new, adopted or revived. `heard_ms`: None is now."""
        shard = self.shard(account)
        entry = shard.add(
            session=session, account=account, device=device, title=title, started_ms=started_ms,
            placed_ms=placed_ms, deadline_s=deadline_s, hop=hop, provisional=provisional,
            unconfirmed=unconfirmed, is_settled=not provisional,
            heard_ms=self.clock.now_ms() if heard_ms is None else heard_ms,
        )  # fmt: skip
        self.journal.store_session(entry)
        self.logged(shard.index, at_once)
        if provisional or hop or unconfirmed:
            self.on_uncovered(account, provisional)
        return entry

    def release(
        self, entry: Entry, reason: Reason, *, at_once: bool = False, after: int = 0
    ) -> None:
        """Give up a session that is held here. `after`: see `Release`."""
        shard = self.shard(entry.account)
        shard.release(entry, reason, self.clock.now_ms(), after)
        self.journal.forget_session(entry.session)
        self.counters[_RELEASED[reason]] += 1
        self.decisions.ended(entry, reason)
        self.logged(shard.index, at_once)
        if reason is not Reason.MOVED and self.watches.is_watched(entry.session):
            self.watches.tell(self.ended(entry.account, entry.session, reason))

    def stop(self, account: str, session: SessionId) -> None:
        """The device ended its session, wherever it is held."""
        entry = self.held(account, session)
        if entry is not None:
            self.release(entry, Reason.STOPPED)
            return
        shard = self.shard(account)
        shard.stop(session, account, self.clock.now_ms())
        self.decisions.stopped(Kind.STOP_PASSED_ON, account, session)
        self.logged(shard.index, at_once=True)
        self.tell_end(account, session)

    def kick(
        self, entry: Entry, reason: Reason, actor: ActorKind = ActorKind.SYSTEM,
        actor_device: str = "",
    ) -> Kick:  # fmt: skip
        """End a session for good, wherever it is held. A second kick changes nothing."""
        shard = self.shard(entry.account)
        known = shard.ledger.get(entry.session)
        if known is not None:
            return known
        kick = Kick(
            entry.session, entry.account, entry.deadline_s, reason, actor, actor_device,
            self.clock.wall_ms(), entry.device, entry.started_ms, entry.region,
        )  # fmt: skip
        shard.kick(kick)
        self.decisions.kicked(kick)
        self.journal.store_kick(kick)
        self.apply_kick(kick)
        self.logged(shard.index, at_once=True)
        return kick

    def apply_kick(self, kick: Kick) -> None:
        """What a region does with a kick that is new to it: end the session if it is held here."""
        self.counters[f"kicks_{kick.reason.name.lower()}"] += 1
        self.on_kick(kick)
        held = self.held(kick.account, kick.session)
        if held is not None:
            self.release(held, kick.reason, at_once=True)
        else:
            self.watches.tell(ended_by(kick))

    def apply_stop(self, account: str, session: SessionId) -> None:
        """A stop that arrived elsewhere: release the session if it is held here."""
        held = self.held(account, session)
        if held is not None:
            self.release(held, Reason.STOPPED)
        else:
            self.tell_end(account, session)

    # ---- who is told -------------------------------------------------------------------------

    def ended(self, account: str, session: SessionId, reason: Reason) -> Ended:
        """An end as the device is told it: by its kick if there is one."""
        if kick := self.kicked(account, session):
            return ended_by(kick)
        ago_ms = self.shard(account).stops.age_ms(session, self.clock.now_ms())
        return ended_otherwise(session, reason, self.clock.wall_ms() - ago_ms)

    def tell_end(self, account: str, session: SessionId) -> None:
        """Tell whoever watches a session here that it has ended elsewhere, if it has."""
        if self.watches.is_watched(session) and (end := self.end_of(account, session)):
            self.watches.tell(self.ended(account, session, end.reason))

    def logged(self, shard: int, at_once: bool) -> None:
        """A shard's log has grown."""
        self.dirty.add(shard)
        self.on_dirty(at_once)
