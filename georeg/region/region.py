"""One region: its parts put together, and what the edge, the mesh and operators call.

Everything runs on one loop, in steps that never wait: a call returns a value or a `Pending`, a
message comes in through `receive` and others go out through the mesh. Time, randomness, links and
disk come in from outside (ports.py), so the simulator runs this very code.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from crdt.dots import RegionId, SessionId
from crdt.errors import PeerError
from crdt.events import ActorKind, Plan
from crdt.versions import NEWEST
from georeg.region import messages
from georeg.region.asking import Asking
from georeg.region.beacons import Beacons
from georeg.region.budget import Budget
from georeg.region.drain import Drain
from georeg.region.election import Election
from georeg.region.evidence import Evidence
from georeg.region.growing import Growing
from georeg.region.heartbeats import Heartbeats
from georeg.region.home import Home
from georeg.region.joining import Joining
from georeg.region.kicks import Kicks
from georeg.region.members import Members
from georeg.region.model import (
    Begun,
    Claims,
    Ended,
    KickOutcome,
    Listing,
    Outcome,
    PeerStatus,
    Renewed,
    StartRequest,
    Status,
)  # fmt: skip
from georeg.region.moves import Moves
from georeg.region.overdrafts import Overdrafts
from georeg.region.peers import peer_status
from georeg.region.pending import Pending
from georeg.region.plans import state_plan
from georeg.region.ports import Clock, Journal, Locks, Mesh
from georeg.region.reactions import Reactions
from georeg.region.renewal import renewer
from georeg.region.replication import Replication
from georeg.region.reporting import Reporting
from georeg.region.settings import Settings
from georeg.region.show import Show
from georeg.region.starts import Starts
from georeg.region.state import RegionState
from georeg.region.succession import succession_of
from georeg.region.sweep import Sweep
from georeg.region.talking import Talking
from georeg.region.tenure import Tenure
from georeg.region.ways import Ways

SLICES_PER_ROUND: Final = 64
SILENT_ROUNDS: Final = 1.5
"""A link on which no beacon comes for so many rounds is gone round."""


class Region:
    """The rules of one region."""

    def __init__(
        self,
        region: RegionId,
        names: Mapping[RegionId, str],
        settings: Settings,
        clock: Clock,
        mesh: Mesh,
        journal: Journal,
        random: Random,
        election: Election | None = None,
        former: Mapping[RegionId, str] | None = None,
        locks: Locks | None = None,
    ) -> None:
        """`names`: all regions of the cluster, this one included. `former`: those removed."""
        self.id = region
        self._members = Members(region, names, election)
        self._members.names |= former or {}
        self.names = self._members.names
        """Of all regions, also of those that were removed: ids of sessions hold their numbers."""
        self.settings = settings
        self._clock = clock
        self._tick_at_ms = 0
        self._state = state = RegionState(region, self._members, settings, clock, journal)
        self._evidence = Evidence(state)
        self._ways = Ways(
            region, state.peers, round(settings.beacon_ms * SILENT_ROUNDS),
            self._evidence.round_trip_ms, clock.now_ms(),
        )  # fmt: skip
        self._talking = talking = Talking(state, self._ways, self._evidence, mesh)
        succession = succession_of(state.seats, settings, clock, locks)
        self._budget = Budget(state, succession, talking.send)
        self._asking = Asking(state, self._budget, talking.send)
        self._home = Home(state, self._budget, talking.send)
        self._show = Show(state, self._evidence)
        self._starts = Starts(state, self._budget, self._asking, self._evidence, self._show)
        self._overdrafts = Overdrafts(state, self._budget, self._asking)
        self._heartbeats = Heartbeats(state, self._starts)
        self._kicks = Kicks(state, self._asking)
        reactions = Reactions(state, self._budget)
        self._replication = Replication(
            state, self._evidence, reactions.react, talking.transmit, talking.send
        )
        self._beacons = Beacons(
            state, self._replication, self._evidence, self._ways, talking.send, talking.announce
        )
        self._joining = Joining(
            state, self._budget, self._replication, self._beacons, random, talking.send,
            self._joined,
        )  # fmt: skip
        self._growing = Growing(state, self._replication, self._beacons, self._evidence, self._ways)
        self._sweep = Sweep(state)
        self.drain = Drain(state, self._budget, self._evidence, self._say_drain)
        self._moves = Moves(state, self._budget, self._home, self._replication, self.drain)
        self.report = Reporting(
            state, self._budget, self._overdrafts, self._evidence, self._show, self._peer_status,
            lambda: self.drain.is_on, lambda: self.joined,
        )  # fmt: skip
        self._connect(reactions)

    def _connect(self, reactions: Reactions) -> None:
        """What the parts tell one another beside what they are made with."""
        self.tenure = Tenure(self._state, self._joining)
        self._beacons.is_draining = lambda: self.drain.is_on
        self._beacons.on_draining = self.drain.heard
        self._beacons.on_seats = self._budget.succession.heard
        self._overdrafts.is_leaving = lambda: self.drain.has_effect
        self._state.on_dirty = self._replication.dirty
        self._state.on_uncovered = self._overdrafts.held
        self._state.on_kick = self._starts.kicked
        self._starts.on_overdraft = self._overdrafts.admitted
        self._joining.name = reactions.name
        reactions.on_released = self._kicks.released
        reactions.on_home = self._moves.heard
        reactions.sent_ms = self._beacons.sent_ms
        reactions.beacon_of = lambda peer: self._replication.links[peer].beacon
        self.report.wire(self._starts, self._beacons)
        self._talking.is_joined = lambda: self.joined
        self._talking.wire(self._handlers(), self._beacons, self._replication)

    def _handlers(self) -> dict[type, Callable[[RegionId, Any], None]]:
        """Who answers which message."""
        return {
            messages.Range: self._replication.on_range,
            messages.SnapshotPart: self._replication.on_snapshot_part,
            messages.Repair: self._replication.on_repair,
            messages.Bundle: self._replication.on_bundle,
            messages.Fetch: self._joining.on_fetch,
            messages.Fetched: self._joining.on_fetched,
            messages.Borrow: self._home.on_borrow,
            messages.Slot: self._asking.on_slot,
            messages.No: self._asking.on_no,
            messages.Recall: self._budget.on_recall,
            messages.Recalled: self._home.on_recalled,
            messages.Confirm: self._asking.on_confirm,
            messages.Confirmed: self._asking.on_confirmed,
            messages.Renew: self._home.on_renew,
            messages.Leased: self._budget.on_leased,
            messages.Void: self._budget.on_void,
        }

    # ---- life --------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The own name."""
        return self.names[self.id]

    @property
    def joined(self) -> bool:
        """Whether this region has begun an incarnation and may decide."""
        return self._joining.is_joined

    @property
    def begun(self) -> Begun | None:
        """With what the present incarnation began; None: it has not."""
        return self._joining.begun

    @property
    def ready(self) -> bool:
        """Whether this region takes new starts; independent of other regions."""
        return self._joining.is_joined and not self.drain.has_effect

    def open(self) -> None:
        """Begin: ask the peers what they hold of this region, then take part."""
        assert not self._talking.is_open, "opened twice"
        self._talking.is_open = True
        self._joining.open()

    def close(self) -> None:
        """Take part no more; nothing is said to the peers, as in a crash."""
        self._talking.is_open = False
        self._joining.close()
        self._budget.succession.close()

    def set_regions(self, names: Mapping[RegionId, str]) -> None:
        """The cluster has these regions from now on, this one included; only while `joined`."""
        assert self.joined, "a region begins with the regions of its config"
        self._growing.change(names)

    def set_settings(self, settings: Settings) -> None:
        """Other settings, which differ only in what is looked up each time that it is needed."""
        self.settings = self._state.settings = settings

    # ---- devices and backends ----------------------------------------------------------------

    def start(self, request: StartRequest) -> Pending[Outcome]:
        """Decide a start by the deadline. Only while `joined`."""
        return self._starts.start(request)

    def renew(self, session: int, account: str, mark: int = 0, parent: int = 0) -> bool:
        """A heartbeat of a session that lives here; False: ask `heartbeat`.

        `mark`, `parent`: of the token that its device shows (clones.py); 0: not to be judged.
        """
        return self._heartbeats.renew(session, account, mark, parent)

    def renewer(self) -> Callable[[int, bytes], bool]:
        """`renew` for heartbeats that came together; the account as UTF-8. For use at once."""
        return renewer(self._state)

    def heartbeat(self, claims: Claims, silent_ms: int = 0) -> Pending[Renewed | Ended]:
        """A heartbeat of so long ago, of a session that is adopted or revived, or is over."""
        return self._heartbeats.heartbeat(claims, silent_ms)

    def stop(self, claims: Claims) -> None:
        """The device ends its session; again changes nothing."""
        self._heartbeats.stop(claims)

    def sessions(self, account: str) -> Listing:
        """All sessions of an account as this region knows them."""
        return self._show.listing(account)

    def kick(
        self, account: str, session: int, actor: ActorKind, actor_device: str = ""
    ) -> Pending[KickOutcome]:
        """End a session for good, wherever it is held."""
        return self._kicks.kick(account, SessionId(session), actor, actor_device)

    def set_plan(self, account: str, plan: Plan, issued: int) -> bool:
        """Note an account's plan; False when a later statement is known."""
        return state_plan(self._state, account, plan, issued)

    def plan_time(self) -> int:
        """The hybrid time of a plan that is stated now, later than every one that was seen."""
        return self._state.hlc.tick(self._clock.wall_ms())

    def is_live(self, claims: Claims) -> bool:
        """Whether a token's session may go on, as far as this region knows."""
        return self._heartbeats.is_live(claims)

    def ended(self, claims: Claims) -> Ended | None:
        """How the session ended, if this region knows that it did."""
        return self._heartbeats.ended(claims)

    def watch(self, session: int, callback: Callable[[Ended], None]) -> Callable[[], None]:
        """Call back once when the session ends; returns how to stop watching."""
        return self._state.watches.watch(SessionId(session), callback)

    # ---- mesh --------------------------------------------------------------------------------

    def receive(self, peer: RegionId, payload: bytes, version: int = NEWEST) -> None:
        """A message of a peer, in the version of the connection that it came on.

        Raises PeerError, with nothing changed, when it is malformed.
        """
        self._talking.receive(peer, payload, version)

    def peer_up(self, peer: RegionId, version: int = NEWEST) -> None:
        """A link to the peer has come up, in this version: what was under way is lost."""
        self._talking.peer_up(peer, version)

    def peer_down(self, peer: RegionId) -> None:
        """The link to the peer has gone down: what follows goes round a third, if one can."""
        self._talking.peer_down(peer)

    # ---- time --------------------------------------------------------------------------------

    def _say_drain(self) -> None:
        if self.joined:
            self._beacons.send_all()

    def _joined(self) -> None:
        self._tick_at_ms = self._clock.now_ms()
        self._tick()
        self._sweep_on()

    def _tick(self) -> None:
        """One beacon round."""
        if not self._talking.is_open:
            return
        period_ms = self.settings.beacon_ms
        now_ms = self._clock.now_ms()
        self._tick_at_ms = max(self._tick_at_ms + period_ms, now_ms + period_ms // 2)
        self._clock.call_later(self._tick_at_ms - now_ms, self._tick)
        self._budget.succession.tick()
        self._beacons.send_all()
        self._budget.renew()
        self.drain.tick()
        self._overdrafts.tick()
        self._home.idle.tick()
        self._moves.tick()
        self._asking.expire_flights()
        self.report.tick()

    def _sweep_on(self) -> None:
        """One slice of the sweep; a whole walk is done at most once a beacon round."""
        if self._talking.is_open:
            is_done = self._sweep.step()
            period_ms = self.settings.beacon_ms
            delay_ms = period_ms if is_done else max(1, period_ms // SLICES_PER_ROUND)
            self._clock.call_later(delay_ms, self._sweep_on)

    # ---- operators ---------------------------------------------------------------------------

    def status(self) -> Status:
        """This region's numbers now."""
        state = self._state
        return Status(
            ready=self.ready,
            incarnation=state.incarnation,
            sessions=sum(s.sessions.own_count for s in state.shards),
            sessions_known=sum(s.sessions.count for s in state.shards),
            grants_held=self._budget.held(),
            grants_lent=self._budget.lent(),
            overdraft=self._overdrafts.count,
            kicks_remembered=sum(len(s.ledger) for s in state.shards),
            peers=tuple(self._peer_status(peer) for peer in state.peers),
            counters=dict(sorted(state.counters.items())),
            is_draining=self.drain.is_on,
            regions_not_agreed=self._members.silent,
            begun=self.begun,
            disk_trouble=state.journal.trouble,
        )

    def _peer_status(self, peer: RegionId) -> PeerStatus:
        return peer_status(
            peer, self._state, self._replication, self._evidence, self._ways, self.drain
        )


__all__ = ["PeerError", "Region"]
