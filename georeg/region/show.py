"""Sessions as they are shown to people: with region, state, last seen and when they would lapse.

Of another region's session nobody here knows the last heartbeat: what is shown is the age of its
region's newest beacon, or, in a refusal, what that region has just answered.
"""

from collections.abc import Iterable, Sequence

from crdt.dots import RegionId
from crdt.events import Entry
from crdt.liveness import RegionState as Liveness
from crdt.sessions import NEVER
from georeg.region.evidence import Evidence
from georeg.region.look import by_place
from georeg.region.model import Admitted, Basis, Blocker, How, Listing, SessionInfo, State
from georeg.region.seen import Seen, devices
from georeg.region.state import RegionState


class Show:
    """Makes values of the API from what the region knows."""

    def __init__(self, state: RegionState, evidence: Evidence) -> None:
        self._state = state
        self._evidence = evidence

    def seen(self, seen: Seen) -> SessionInfo:
        """A session as its own region has just vouched for it."""
        return self._own(seen.entry, seen.silent_ms, is_suspect=seen.suspect)

    def begun(self, entry: Entry) -> SessionInfo:
        """A session that is held here since this very moment."""
        return self._info(entry, 0, State.LIVE)

    def admitted(
        self, info: SessionInfo, entry: Entry, others: Sequence[Entry], basis: Basis, limit: int,
        took_ms: int,
    ) -> Admitted:  # fmt: skip
        """The answer to a start that holds `entry` now, which is shown as `info`, beside others."""
        if not others:
            return Admitted(info, basis, limit, 1, took_ms, (info,))
        live = sorted([*others, entry], key=by_place)
        shown = tuple(info if e.dot == entry.dot else self.entry(e) for e in live)
        return Admitted(info, basis, limit, devices(live), took_ms, shown)

    def blockers(
        self, seen: Iterable[Seen], covered: Iterable[Entry], took_ms: int
    ) -> tuple[Blocker, ...]:
        """The sessions that a refusal rests on, each with its evidence."""
        own = self._state.region
        return (
            *(
                Blocker(self.seen(s), How.LOCAL, s.silent_ms)
                if s.region == own
                else Blocker(self.seen(s), How.CONFIRMED, took_ms)
                for s in seen
            ),
            *(Blocker(self.entry(e), How.BEACON, self._evidence.age_ms(e)) for e in covered),
        )

    def entry(self, entry: Entry) -> SessionInfo:
        """A session as this region's view has it."""
        state = self._state
        now_ms = state.clock.now_ms()
        if entry.region == state.region:
            sessions = state.shard(entry.account).sessions
            row = sessions.own_row(entry.account, entry.session)
            heard_ms = sessions.heard[row] if row >= 0 else NEVER
            silent_ms = now_ms - heard_ms if heard_ms != NEVER else 0
            return self._own(
                entry, silent_ms, is_suspect=silent_ms > state.settings.suspect_ms
            )
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

    def _own(self, entry: Entry, silent_ms: int, *, is_suspect: bool) -> SessionInfo:
        if entry.unconfirmed:
            return self._info(entry, silent_ms, State.UNCONFIRMED)
        return self._info(entry, silent_ms, State.SUSPECT if is_suspect else State.LIVE)

    def _info(self, entry: Entry, silent_ms: int, shown: State) -> SessionInfo:
        wall_ms = self._state.clock.wall_ms()
        lease_ms = self._state.settings.client_lease_ms
        return SessionInfo(
            entry.session, entry.account, entry.device, entry.title, entry.region,
            entry.started_ms, max(entry.started_ms, wall_ms - silent_ms), shown, entry.deadline_s,
            min(wall_ms - silent_ms + lease_ms, entry.deadline_s * 1000),
        )  # fmt: skip
