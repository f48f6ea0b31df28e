"""What this region can tell an operator: read from its parts when somebody asks, or once a round.

Invariant: reporting decides nothing. What other regions say of themselves (`Vitals`) is shown and
never counted, and their wall clocks are compared for people only.
Cost: a round reads a dozen numbers and one slice of the census; a status costs 64 shards a region.
"""

from collections.abc import Callable, Generator
from typing import Final

from crdt.dots import RegionId
from crdt.events import Entry
from georeg import __version__
from georeg.region.beacons import Beacons
from georeg.region.budget import Budget
from georeg.region.census import Census
from georeg.region.evidence import NO_EVIDENCE_MS, Evidence
from georeg.region.messages import Vitals
from georeg.region.model import How, PeerStatus
from georeg.region.overdrafts import Overdrafts
from georeg.region.rates import LastMinute
from georeg.region.report import (
    AccountReport,
    Held,
    HomeBy,
    QuotaReport,
    RegionReport,
    SessionReport,
    StatusReport,
)
from georeg.region.seen import Seen
from georeg.region.shadow import Shadow
from georeg.region.show import Show
from georeg.region.starts import Starts
from georeg.region.state import RegionState
from georeg.region.top import TopAccounts

REFUSED: Final = ("refused_local", "refused_confirmed", "refused_beacon")
DECIDED: Final = (*REFUSED, "admitted_granted", "admitted_borrowed", "admitted_overdraft")
TROUBLE: Final = (
    "clock_jumps",
    "journal_refusals",
    "late_rounds",
    "plans_ahead_of_clock",
    "state_mismatches",
)
"""Counters of which an operator should hear."""
JUMP_MS: Final = 500
"""The wall clock has jumped when it and the monotonic one part by this in one round."""
LATE_MS: Final = 1_000
"""A beacon round that comes so much too late: the process or its loop stood still."""
TOPS: Final = 10
SLICES_MAX: Final = 10
"""Slices of the census in one round: 2,000 accounts."""


class Reporting:
    """Reads the parts of one region."""

    def __init__(
        self,
        state: RegionState,
        budget: Budget,
        overdrafts: Overdrafts,
        evidence: Evidence,
        show: Show,
        peer_status: Callable[[RegionId], PeerStatus],
        is_draining: Callable[[], bool],
        is_joined: Callable[[], bool],
    ) -> None:
        self._state = state
        self.decisions = state.decisions
        self.shadow = Shadow(state.clock)
        self._budget = budget
        self._overdrafts = overdrafts
        self._evidence = evidence
        self._show = show
        self._peer_status = peer_status
        self._is_draining = is_draining
        self._is_joined = is_joined
        self._census = Census(state, budget)
        self._refused = TopAccounts()
        self._minute = LastMinute((*DECIDED, *TROUBLE))
        self._words: dict[RegionId, tuple[Vitals, int, int]] = {}
        """peer -> (its word, when it came, its clock against the own one then)."""
        self._began_ms = state.clock.now_ms()
        self._round: tuple[int, int] | None = None
        """Monotonic and wall time of the last round."""

    def wire(self, starts: Starts, beacons: Beacons) -> None:
        """Hear of refusals and of what the others say, and say how this region is."""
        starts.on_refused = self._on_refused
        starts.shadow = self.shadow
        beacons.vitals = lambda: (self.vitals(),)
        beacons.on_vitals = self._on_vitals

    # ---- hearing -----------------------------------------------------------------------------

    def tick(self) -> None:
        """Once a beacon round: sample, count a little, and see whether time went as it should."""
        state, clock = self._state, self._state.clock
        now_ms, wall_ms = clock.now_ms(), clock.wall_ms()
        if self._round is not None:
            before_ms, wall_before_ms = self._round
            went_ms = now_ms - before_ms
            if abs(wall_ms - wall_before_ms - went_ms) >= JUMP_MS:
                state.counters["clock_jumps"] += 1
            if went_ms >= state.settings.beacon_ms + LATE_MS:
                state.counters["late_rounds"] += 1
        self._round = (now_ms, wall_ms)
        self._minute.sample(state.counters, now_ms)
        self._count(SLICES_MAX)
        self.decisions.tick()

    def _count(self, slices: int) -> None:
        """Count on, up to so many slices spread over the round."""
        if self._census.step() and slices > 1:
            pause_ms = self._state.settings.beacon_ms // (2 * SLICES_MAX)
            self._state.clock.call_later(pause_ms, lambda: self._count(slices - 1))

    def _on_refused(self, account: str) -> None:
        self._refused.add(account, self._state.clock.now_ms())

    def _on_vitals(self, peer: RegionId, vitals: Vitals) -> None:
        clock = self._state.clock
        under_way_ms = (self._evidence.round_trip_ms(peer) or 0) // 2
        ahead_ms = vitals.wall_ms + under_way_ms - clock.wall_ms()
        self._words[peer] = (vitals, clock.now_ms(), ahead_ms)

    # ---- telling -----------------------------------------------------------------------------

    def vitals(self) -> Vitals:
        """How this region is now."""
        state = self._state
        minute = self._minute.counts(state.counters)
        return Vitals(
            version=__version__,
            wall_ms=max(0, state.clock.wall_ms()),
            uptime_s=max(0, state.clock.now_ms() - self._began_ms) // 1000,
            sessions=sum(s.sessions.own_count for s in state.shards),
            grants_held=self._budget.held(),
            grants_used=sum(self._census.used(home) for home in state.peers),
            overdraft=max(0, self._overdrafts.count),
            starts=sum(minute[name] for name in DECIDED),
            refused_local=minute["refused_local"],
            refused_confirmed=minute["refused_confirmed"],
            refused_beacon=minute["refused_beacon"],
        )

    def status(self) -> StatusReport:
        """All regions as this one sees them."""
        state = self._state
        minute = self._minute.counts(state.counters)
        regions = [self._own(), *(self._peer(peer) for peer in state.peers)]
        return StatusReport(
            region=state.region,
            wall_ms=state.clock.wall_ms(),
            regions=tuple(sorted(regions, key=lambda report: report.region)),
            recent={name: minute[name] for name in TROUBLE},
            election=state.settings.election,
            seats=state.seats.report(self._budget.succession.troubles()),
        )

    def _own(self) -> RegionReport:
        vitals = self.vitals()
        return RegionReport(
            region=self._state.region,
            state="up" if self._is_joined() else "joining",
            is_draining=self._is_draining(),
            sessions=vitals.sessions,
            vitals=vitals,
            vitals_age_ms=0,
            clock_ahead_ms=0,
            silent_ms=0,
            evidence_age_ms=0,
            round_trip_ms=0,
            events_behind=0,
            events_missing=0,
            missing_ms=0,
            election=self._state.settings.election,
        )

    def _peer(self, peer: RegionId) -> RegionReport:
        state, status = self._state, self._peer_status(peer)
        now_ms = state.clock.now_ms()
        heard_ms = state.regions.peer(peer).heard_ms
        vitals, said_ms, ahead_ms = self._words.get(peer, (None, now_ms, None))
        lagging = self._evidence.lagging(peer)
        missing = sum(
            max(0, position - state.shards[shard].position(peer).top)
            for shard, position in lagging.items()
        )
        return RegionReport(
            region=peer,
            state=status.state,
            is_draining=status.is_draining,
            sessions=sum(s.sessions.count_of(peer) for s in state.shards),
            vitals=vitals,
            vitals_age_ms=now_ms - said_ms,
            clock_ahead_ms=ahead_ms,
            silent_ms=None if heard_ms is None else now_ms - heard_ms,
            evidence_age_ms=status.beacon_age_ms,
            round_trip_ms=status.round_trip_ms,
            events_behind=status.events_behind,
            events_missing=missing,
            missing_ms=self._evidence.oldest_age_ms(peer),
            election=state.seats.kind_of(peer),
            via=status.via or status.heard_via,
        )

    def quota(self) -> Generator[None, None, QuotaReport]:
        """The budgets; a generator, since it walks over all accounts (census.py)."""
        state, holder = self._state, self._budget.holder
        lent = yield from self._census.lent()
        worst_case = yield from self._census.worst_case()
        now_ms = state.clock.now_ms()
        return QuotaReport(
            region=state.region,
            wall_ms=state.clock.wall_ms(),
            held=tuple(
                Held(
                    state.seats.home(seat), holder.held(seat), self._census.used(seat),
                    holder.lease_left_ms(seat, now_ms), seat,
                )  # fmt: skip
                for seat in self._budget.seats()
            ),
            lent=lent,
            worst_case=worst_case,
            overdraft=max(0, self._overdrafts.count),
            most_refused=tuple(self._refused.most(TOPS, now_ms)),
            most_overdraft=tuple(self._overdrafts.largest(TOPS)),
        )

    # ---- one account -------------------------------------------------------------------------

    def account(self, account: str) -> AccountReport:
        """One account as this region knows it."""
        state, budget = self._state, self._budget
        now_ms, seat = state.clock.now_ms(), state.seat_of(account)
        book = state.seats.acting(seat, now_ms)
        own = {seen.session: seen for seen in state.own(account)}
        usable = budget.usable(account)
        if book is not None:
            granted = dict(book.valid(account, now_ms))
        else:
            granted = {state.region: budget.holder.usable(seat, account, now_ms)}
        entries = {entry.session: entry for entry in state.live(account)}
        listing = self._show.listing(account)
        limit, held = listing.limit, len(own)
        by_region = [
            sum(e.region == region for e in entries.values())
            for region in (state.region, *state.peers)
        ]
        return AccountReport(
            region=state.region,
            wall_ms=state.clock.wall_ms(),
            account=account,
            plan=listing.plan,
            limit=limit,
            is_plan_known=state.plan_of(account) is not None,
            home=state.home_of(account),
            home_by=self._home_by(account),
            home_moved=state.shard(account).accounts.home(account),
            is_home_open=budget.is_moving(account),
            granted=granted,
            usable=max(0, usable),
            overdraft=max(0, held - max(0, usable)),
            sessions=tuple(
                self._session(entry, own.get(entry.session))
                for entry in self._show.entries(account)
            ),
            kicks_remembered=len(state.shard(account).ledger.for_account(account)),
            at_most=sum(max(limit, count) for count in by_region),
            out_of_reach=listing.out_of_reach,
        )

    def _home_by(self, account: str) -> HomeBy:
        state, known = self._state, self._state.plan_of(account)
        if known is not None and known.plan.home in state.members.regions:
            return HomeBy.PINNED
        moved = state.shard(account).accounts.home(account)
        is_moved = moved is not None and moved.home in state.members.regions
        return HomeBy.MOVED if is_moved else HomeBy.HASH

    def _session(self, entry: Entry, seen: Seen | None) -> SessionReport:
        info = self._show.entry(entry)
        if seen is not None:
            left_ms = max(0, info.lapses_ms - self._state.clock.wall_ms())
            return SessionReport(info, How.LOCAL, seen.silent_ms, left_ms, seen.settled, entry.hop)
        age_ms = self._evidence.age_ms(entry)
        known_ms = None if age_ms == NO_EVIDENCE_MS else age_ms
        return SessionReport(info, How.BEACON, known_ms, None, None, entry.hop)
