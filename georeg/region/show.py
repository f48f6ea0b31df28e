"""Sessions as they are shown to people: with region, state, last seen and when they would lapse.

Of another region's session nobody here knows the last heartbeat: what is shown is the age of its
region's newest beacon, or, in a refusal, what that region has just answered.
"""

from collections.abc import Iterable

from crdt.dots import RegionId, region_of
from crdt.events import Entry
from crdt.liveness import RegionState as Liveness
from crdt.sessions import NEVER
from georeg.region.evidence import Evidence
from georeg.region.look import by_place
from georeg.region.model import Blocker, How, Listing, SessionInfo, State
from georeg.region.seen import Seen
from georeg.region.state import RegionState


class Show:
    """Makes values of the API from what the region knows."""

    def __init__(self, state: RegionState, evidence: Evidence) -> None:
        self._state = state
        self._evidence = evidence

    def seen(self, seen: Seen) -> SessionInfo:
        """A session as its own region has just vouched for it."""
        return self._own(seen.entry, seen.silent_ms, is_suspect=seen.suspect)

    def heard_now(self, entry: Entry) -> SessionInfo:
        """A session of this region whose device has just been heard."""
        return self._own(entry, 0, is_suspect=False)

    def entry(self, entry: Entry) -> SessionInfo:
        """A session as this region's view has it."""
        state = self._state
        now_ms = state.clock.now_ms()
        if entry.region == state.region:
            sessions = state.shard(entry.account).sessions
            row = sessions.own_row(entry.account, entry.session)
            heard_ms = sessions.heard[row] if row >= 0 else NEVER
            silent_ms = now_ms - heard_ms if heard_ms != NEVER else 0
            is_suspect = silent_ms > state.settings.suspect_ms
            return self._own(entry, silent_ms, is_suspect=is_suspect)
        is_up = state.regions.state(entry.region, now_ms) is Liveness.UP
        shown = State.LIVE if is_up and not entry.unconfirmed else State.UNCONFIRMED
        age_ms = min(self._evidence.age_ms(entry), state.clock.wall_ms() - entry.started_ms)
        return self._info(entry, max(0, age_ms), shown)

    def entries(self, account: str) -> list[Entry]:
        """Every session of the account, those of regions out of reach included; oldest first."""
        state = self._state
        wall_s = state.clock.wall_ms() // 1000
        shown = {e.session: e for e in state.live(account)}
        for entry in state.known(account):
            is_hidden = (
                entry.region != state.region
                and entry.deadline_s > wall_s
                and state.kicked(account, entry.session) is None
                and not state.shard(account).stops.is_stopped(entry.session)
            )
            if is_hidden:
                shown.setdefault(entry.session, entry)
        return sorted(shown.values(), key=by_place)

    def listing(self, account: str) -> Listing:
        """The account's sessions as people are shown them."""
        state, now_ms = self._state, self._state.clock.now_ms()
        entries = self.entries(account)
        known = state.plan_of(account)
        return Listing(
            account=account,
            plan=known.plan.name if known is not None else "",
            limit=state.limit_of(account),
            sessions=tuple(self.entry(entry) for entry in entries),
            out_of_reach=tuple(
                p for p in state.peers if state.regions.state(p, now_ms) is not Liveness.UP
            ),
        )

    def out_of_reach(self, region: RegionId) -> bool:
        """Whether a region is down as seen from here."""
        state = self._state
        if region == state.region:
            return False
        return state.regions.state(region, state.clock.now_ms()) is Liveness.DOWN

    def blockers(
        self, seen: Iterable[Seen], covered: Iterable[Entry], took_ms: int
    ) -> tuple[Blocker, ...]:
        """The sessions that block a start, each with its evidence.

        `seen`: what their own regions have said within `took_ms`; `covered`: what beacons cover.
        """
        here, blockers = self._state.region, []
        for one in seen:
            if one.region == here:
                blockers.append(Blocker(self.seen(one), How.LOCAL, one.silent_ms))
            else:
                blockers.append(Blocker(self.seen(one), How.CONFIRMED, took_ms))
        blockers += [
            Blocker(self.entry(entry), How.BEACON, self._evidence.age_ms(entry))
            for entry in covered
        ]
        return tuple(blockers)

    def _own(self, entry: Entry, silent_ms: int, *, is_suspect: bool) -> SessionInfo:
        if entry.unconfirmed:
            return self._info(entry, silent_ms, State.UNCONFIRMED)
        return self._info(entry, silent_ms, State.SUSPECT if is_suspect else State.LIVE)

    def _info(self, entry: Entry, silent_ms: int, shown: State) -> SessionInfo:
        wall_ms = self._state.clock.wall_ms()
        lease_ms = self._state.settings.client_lease_ms
        dot, session, account, device, title, started_ms, _, deadline_s, *_ = entry
        return SessionInfo(
            session, account, device, title, region_of(dot), started_ms,
            max(started_ms, wall_ms - silent_ms), shown, deadline_s,
            min(wall_ms - silent_ms + lease_ms, deadline_s * 1000),
        )  # fmt: skip
