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
from crdt.events import ActorKind, Plan, Reason
from georeg.region import messages, wire
from georeg.region.asking import Asking
from georeg.region.beacons import Beacons
from georeg.region.budget import Budget
from georeg.region.election import Election, StaticElection
from georeg.region.evidence import Evidence
from georeg.region.heartbeats import Heartbeats
from georeg.region.home import Home
from georeg.region.joining import Joining
from georeg.region.kicks import Kicks
from georeg.region.messages import Message
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
from georeg.region.overdrafts import Overdrafts
from georeg.region.pending import Pending
from georeg.region.plans import state_plan
from georeg.region.ports import Clock, Journal, Mesh
from georeg.region.renewal import renewer
from georeg.region.replication import Replication
from georeg.region.settings import Settings
from georeg.region.show import Show
from georeg.region.starts import Starts
from georeg.region.state import RegionState
from georeg.region.sweep import Sweep

SLICES_PER_ROUND: Final = 64


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
    ) -> None:
        """`names`: all regions of the cluster, this one included."""
        self.id = region
        self.names = dict(names)
        self.settings = settings
        self._clock = clock
        self._mesh = mesh
        self._is_open = False
        self._is_draining = False
        self._tick_at_ms = 0
        peers = [r for r in names if r != region]
        state = RegionState(
            region, peers, settings, clock, journal, election or StaticElection(names)
        )
        self._state = state
        self._evidence = Evidence(state)
        self._budget = Budget(state, self._send)
        self._asking = Asking(state, self._budget, self._send)
        self._home = Home(state, self._budget, self._send)
        self._show = Show(state, self._evidence)
        self._starts = Starts(state, self._budget, self._asking, self._evidence, self._show)
        self._overdrafts = Overdrafts(state, self._budget, self._asking)
        self._heartbeats = Heartbeats(state, self._starts)
        self._kicks = Kicks(state, self._asking)
        self._replication = Replication(
            state, self._budget, self._evidence, self._transmit, self._send
        )
        self._beacons = Beacons(state, self._replication, self._evidence, self._send)
        self._joining = Joining(
            state, self._budget, self._replication, self._beacons, random, self._send, self._joined
        )
        self._sweep = Sweep(state)
        state.on_dirty = self._replication.dirty
        state.on_uncovered = self._overdrafts.held
        state.on_kick = self._starts.kicked
        self._starts.on_overdraft = self._overdrafts.admitted
        self._replication.on_released = self._kicks.released
        self._replication.sent_ms = self._beacons.sent_ms
        self._handlers = self._handlers_by_type()

    def _handlers_by_type(self) -> dict[type, Callable[[RegionId, Any], None]]:
        """Who answers which message."""
        return {
            messages.Beacon: self._beacons.on_beacon,
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
        return self._joining.is_joined and not self._is_draining

    def open(self) -> None:
        """Begin: ask the peers what they hold of this region, then take part."""
        assert not self._is_open, "opened twice"
        self._is_open = True
        self._joining.open()

    def close(self) -> None:
        """Take part no more; nothing is said to the peers, as in a crash."""
        self._is_open = False
        self._joining.close()

    def drain(self) -> None:
        """Admit no more starts; running sessions go on."""
        self._is_draining = True

    # ---- devices and backends ----------------------------------------------------------------

    def start(self, request: StartRequest) -> Pending[Outcome]:
        """Decide a start by the deadline. Only while `joined`."""
        return self._starts.start(request)

    def renew(self, session: int, account: str) -> bool:
        """A heartbeat of a session that lives here; False: ask `heartbeat`."""
        return self._heartbeats.renew(session, account)

    def renewer(self) -> Callable[[int, bytes], bool]:
        """`renew` for heartbeats that came together; the account as UTF-8. For use at once."""
        return renewer(self._state)

    def heartbeat(self, claims: Claims) -> Pending[Renewed | Ended]:
        """A heartbeat of a session that does not live here: adopted, revived, or over."""
        return self._heartbeats.heartbeat(claims)

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
        if self.is_live(claims):
            return None
        state = self._state
        end = state.end_of(claims.account, claims.session)
        reason = end.reason if end is not None else Reason.EXPIRED
        return state.ended(claims.account, claims.session, reason)

    def watch(self, session: int, callback: Callable[[Ended], None]) -> Callable[[], None]:
        """Call back once when the session ends; returns how to stop watching."""
        return self._state.watches.watch(SessionId(session), callback)

    # ---- mesh --------------------------------------------------------------------------------

    def receive(self, peer: RegionId, payload: bytes) -> None:
        """A message of a peer. Raises PeerError, with nothing changed, when it is malformed."""
        if not self._is_open or peer not in self.names or peer == self.id:
            return
        message = wire.decode(payload)
        if not self.joined and type(message) in _ONLY_JOINED:
            return
        self._handlers[type(message)](peer, message)

    def peer_up(self, peer: RegionId) -> None:
        """A link to the peer has come up: what was under way is lost."""
        if not self._is_open:
            return
        if self.joined:
            link = self._replication.links[peer]
            link.sent = list(link.acked)
            self._beacons.send(peer)
            self._replication.push_all(peer)

    def _send(self, peer: RegionId, message: Message) -> None:
        if peer != self.id:
            self._transmit(peer, wire.encode(message))
        elif isinstance(message, messages.Slot | messages.No):
            self._handlers[type(message)](peer, message)  # the home's own start takes its slot now
        else:
            self._clock.call_later(0, lambda: self._handlers[type(message)](peer, message))

    def _transmit(self, peer: RegionId, payload: bytes) -> None:
        if self._is_open:
            self._mesh.send(peer, payload)

    # ---- time --------------------------------------------------------------------------------

    def _joined(self) -> None:
        self._tick_at_ms = self._clock.now_ms()
        self._tick()
        self._sweep_on()

    def _tick(self) -> None:
        """One beacon round."""
        if not self._is_open:
            return
        period_ms = self.settings.beacon_ms
        now_ms = self._clock.now_ms()
        self._tick_at_ms = max(self._tick_at_ms + period_ms, now_ms + period_ms // 2)
        self._clock.call_later(self._tick_at_ms - now_ms, self._tick)
        self._beacons.send_all()
        self._budget.renew()
        self._overdrafts.tick()
        self._home.sweep_idle()
        self._asking.expire_flights()

    def _sweep_on(self) -> None:
        """One slice of the sweep; a whole walk is done at most once a beacon round."""
        if self._is_open:
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
            grants_lent=self._budget.book.lent,
            overdraft=self._overdrafts.count,
            kicks_remembered=sum(len(s.ledger) for s in state.shards),
            peers=tuple(self._peer_status(peer) for peer in state.peers),
            counters=dict(sorted(state.counters.items())),
            begun=self.begun,
            disk_trouble=state.journal.trouble,
        )

    def _peer_status(self, peer: RegionId) -> PeerStatus:
        state, link = self._state, self._replication.links[peer]
        return PeerStatus(
            region=peer,
            state=str(state.regions.state(peer, self._clock.now_ms())),
            beacon_age_ms=self._evidence.peer_age_ms(peer),
            round_trip_ms=self._evidence.round_trip_ms(peer),
            events_behind=sum(shard.log.top - link.acked[shard.index] for shard in state.shards),
        )


_ONLY_JOINED: Final = frozenset(
    {messages.Borrow, messages.Recall, messages.Recalled, messages.Confirm, messages.Renew}
)
"""What a region that has not begun yet cannot answer truthfully; the peers ask again."""

__all__ = ["PeerError", "Region"]
