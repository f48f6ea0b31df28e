"""What a region does about another region's event, once it is applied.

An add may outbid what is held here, or name what was adopted on its token alone; a stop or kick may
end it; a release may tell that its device was heard elsewhere. Nothing here decides about starts.
"""

from collections.abc import Callable

from crdt.accounts import NONE
from crdt.dots import RegionId, SessionId, region_of, shard_of_dot
from crdt.events import ActorKind, Entry, Event, HomeSet, Kick, PlanSet, Reason, Release, Stop
from crdt.fields import HOP_MAX
from georeg.region.budget import Budget
from georeg.region.decisions import Kind
from georeg.region.state import RegionState


class Reactions:
    """Of one region."""

    def __init__(self, state: RegionState, budget: Budget) -> None:
        self._state = state
        self._budget = budget
        self.beacon_of: Callable[[RegionId], int] = lambda peer: 0
        """Set by the region: a peer's newest beacon (`dots.pack`)."""
        self.sent_ms: Callable[[int], int | None] = lambda beacon: None
        """Set by the region: when the own beacon of this name was sent; None: not known."""
        self.on_released: Callable[[str, SessionId], None] = lambda account, session: None
        """Set by the region: another region gave up a session."""
        self.on_home: Callable[[HomeSet], None] = lambda move: None
        """Set by the region: the home of an account has moved."""

    def react(self, event: Event) -> None:
        """What this region does about another region's event."""
        state = self._state
        match event:
            case Entry(hop=0):  # begins there: it outbids nobody, and nearly all events are this
                self.name(event)
                shard = state.shards[shard_of_dot(event.dot)]
                if shard.sessions.has_several(event.account):
                    self._supersede(event)
            case Entry():
                held = state.held(event.account, event.session)
                if held is not None and (held.hop, held.dot) < (event.hop, event.dot):
                    heard = self.beacon_of(event.region)
                    state.release(held, Reason.MOVED, at_once=True, after=heard)
                    state.decisions.held(Kind.MOVED, held, event.region)
                    self._budget.on_moved(event.account)
            case Release():
                self._heard_elsewhere(event)
                if event.reason is Reason.STOPPED:
                    holder = region_of(event.dot)
                    state.decisions.stopped(
                        Kind.HEARD_STOP, event.account, event.session, holder
                    )
                    state.apply_stop(event.account, event.session)
                else:
                    state.tell_end(event.account, event.session)
                self.on_released(event.account, event.session)
            case Stop():
                state.decisions.stopped(Kind.HEARD_STOP, event.account, event.session)
                state.apply_stop(event.account, event.session)
            case Kick():
                holds = state.kicked(event.account, event.session)  # of two kicks the earlier one
                state.journal.store_kick(holds or event)
                state.decisions.kicked(event, Kind.HEARD_KICK)
                state.apply_kick(event)
            case PlanSet():
                state.journal.store_plan(event)
            case HomeSet():
                self.on_home(event)

    def _heard_elsewhere(self, event: Release) -> None:
        """A region gives up a session that is held here: its device may have been heard there last.

        At the earliest so long before the beacon that the release came after, as the release says.
        """
        if event.after and (sent_ms := self.sent_ms(event.after)) is not None:
            sessions = self._state.shard(event.account).sessions
            if (row := sessions.own_row(event.account, event.session)) != NONE:
                sessions.heard[row] = max(sessions.heard[row], sent_ms - event.silent_ms)

    def _supersede(self, event: Entry) -> None:
        """A device started in two regions that had not heard of one another: the later one stays.

        Two sessions of one device count once, so nothing else would ever end the older one, and a
        shared device id would be a way past the limit.
        """
        for seen in self._state.own(event.account):
            mine = seen.entry
            is_same_device = mine.device.id == event.device.id and mine.session != event.session
            if is_same_device and (mine.started_ms, mine.dot) < (event.started_ms, event.dot):
                self._state.kick(mine, Reason.SUPERSEDED, ActorKind.DEVICE, event.device.name)

    def name(self, event: Entry) -> None:
        """Perhaps the add of one that was adopted on its token alone: now its device has a name.

        Its device did not speak: it stays as silent as it was, and yields as soon.
        """
        state = self._state
        if not state.nameless.take(event.session):
            return
        seen = next((s for s in state.own(event.account) if s.session == event.session), None)
        if seen is None or seen.device != event.device.id:
            return
        held = seen.entry
        state.release(held, Reason.MOVED)
        state.hold(
            event.account, event.device, session=event.session, title=event.title,
            started_ms=event.started_ms, placed_ms=event.placed_ms, deadline_s=event.deadline_s,
            hop=min(held.hop + 1, HOP_MAX), provisional=event.provisional,
            heard_ms=state.clock.now_ms() - seen.silent_ms, at_once=True,
        )  # fmt: skip
