"""Heartbeats and stops: what a running device says to any region.

Any region accepts a valid token and adopts its session (P5): new dot, same session id, hop + 1;
the highest (hop, dot) holds it, and the region that is outbid releases its own. Ends win over
adoption: a kicked or stopped session never comes back (P4), a lapsed one comes back only through
the rules of a start; but one that lapsed where its device had been silent longer than here is
adopted like any other, since that region had not heard what this one has.

How an unknown session is told from one that has ended: ends are remembered for `ends_memory_ms`.
After that a session whose first dot is known, under its region's present incarnation, and of which
no dot is left, has ended, nobody knows how: it does not come back, but its device may start again
at once. One whose region has begun a new incarnation since may have been lost with the old one and
is adopted.
"""

from crdt.dots import incarnation_of, region_of
from crdt.events import Device, Entry, Reason
from georeg.region.clones import Clones
from georeg.region.decisions import Kind
from georeg.region.model import Admitted, Claims, Ended, Outcome, Renewed
from georeg.region.pending import Pending
from georeg.region.starts import Starts
from georeg.region.state import RegionState


class Heartbeats:
    """What devices report, one account at a time."""

    def __init__(self, state: RegionState, starts: Starts) -> None:
        self._state = state
        self._starts = starts
        self._clones = Clones(state)

    def renew(self, session: int, account: str, mark: int = 0, parent: int = 0) -> bool:
        """The hot path: the session is held here and lives; its lease is renewed."""
        state = self._state
        sessions = state.shard(account).sessions
        row = sessions.own_row(account, session)
        if row < 0 or sessions.is_unconfirmed(row):
            return False
        now_ms = state.clock.now_ms()
        heard = sessions.heard
        gap_ms = now_ms - heard[row]
        if gap_ms > state.settings.client_lease_ms:
            return False
        heard[row] = now_ms
        if mark and (
            mark != sessions.marks[row] or sessions.paces[row] or gap_ms < self._clones.soon_ms
        ):
            return self._clones.heard(sessions, row, mark, parent, gap_ms)
        return True

    def heartbeat(self, claims: Claims, silent_ms: int = 0) -> Pending[Renewed | Ended]:
        """A heartbeat that `renew` did not settle: adopt, revive, or say why it is over.

        `silent_ms`: so long ago the device was heard, by somebody who can tell only now.
        """
        state, account, session = self._state, claims.account, claims.session
        heard_ms = max(0, state.clock.now_ms() - silent_ms)
        if claims.deadline_s <= state.clock.wall_ms() // 1000:
            return Pending(state.ended(account, session, Reason.EXPIRED))
        if state.kicked(account, session) is not None:
            return Pending(state.ended(account, session, Reason.KICKED))
        held = state.held(account, session)
        if held is not None and not held.unconfirmed:
            sessions = state.shard(account).sessions
            row = sessions.own_row(account, session)
            sessions.heard[row] = max(sessions.heard[row], heard_ms)
            return Pending(Renewed(session))
        if held is not None:
            state.release(held, Reason.MOVED)  # confirmed: adopted from the former incarnation
            self._adopt(claims, held, heard_ms)
            return Pending(Renewed(session))
        known = state.holder(account, session)
        end = state.end_of(account, session)
        if end is not None and end.reason is Reason.STOPPED:
            return Pending(state.ended(account, session, Reason.STOPPED))
        if end is not None:
            return self._revive(claims, end.hop, end.reason)
        if known is None and self._has_surely_ended(claims):
            return Pending(state.ended(account, session, Reason.LAPSED))
        self._adopt(claims, known, heard_ms)
        return Pending(Renewed(session))

    def stop(self, claims: Claims) -> None:
        """The device ends its session, wherever it is held; again changes nothing."""
        state, account, session = self._state, claims.account, claims.session
        if not state.is_final(account, session):
            state.counters["stops"] += 1
            state.stop(account, session)

    def is_live(self, claims: Claims) -> bool:
        """Whether the session may go on as far as this region knows: for licence servers."""
        state, account, session = self._state, claims.account, claims.session
        return (
            claims.deadline_s > state.clock.wall_ms() // 1000
            and state.kicked(account, session) is None
            and state.end_of(account, session) is None
            and (state.holder(account, session) is not None or not self._has_surely_ended(claims))
        )

    def ended(self, claims: Claims) -> Ended | None:
        """How the session ended, if this region knows that it did."""
        if self.is_live(claims):
            return None
        state, account, session = self._state, claims.account, claims.session
        end = state.end_of(account, session)
        return state.ended(account, session, Reason.EXPIRED if end is None else end.reason)

    def _has_surely_ended(self, claims: Claims) -> bool:
        state = self._state
        if state.clock.wall_ms() - claims.issued_ms <= state.settings.ends_memory_ms:
            return False  # an end would still be remembered
        shard, context = state.shard(claims.account), state.shard(claims.account).context
        if shard.stops.get(claims.session, state.clock.now_ms()) is not None:
            return False  # its end is known, and it was heard here since then
        writer = region_of(claims.session)
        return context.get(writer).incarnation == incarnation_of(claims.session) and context.has(
            claims.session
        )

    def _adopt(self, claims: Claims, known: Entry | None, heard_ms: int) -> None:
        """Hold a session that came from elsewhere, or from an earlier incarnation.

        It keeps its place, and its provisional mark while it is young.
        """
        state = self._state
        if known is None:
            state.nameless.note(claims.session)
        stops, now_ms = state.shard(claims.account).stops, state.clock.now_ms()
        end = stops.get(claims.session, now_ms)
        left_ms = stops.left_ms(claims.session)
        old = known or self._unknown(claims, end.hop if end is not None else 0)
        is_young = state.clock.wall_ms() - old.started_ms <= state.settings.young_ms
        held = state.hold(
            claims.account,
            old.device,
            session=claims.session,
            title=old.title,
            started_ms=old.started_ms,
            placed_ms=old.placed_ms,
            deadline_s=old.deadline_s,
            hop=min(old.hop + 1, 65_535),
            provisional=old.provisional and is_young,
            heard_ms=heard_ms,
            at_once=True,
        )
        state.counters["adopted"] += 1
        if left_ms is not None:
            self._clones.returned(held, now_ms - left_ms)
        state.decisions.held(Kind.ADOPTED, held, known.region if known else claims.region)

    def _revive(self, claims: Claims, hop: int, reason: Reason) -> Pending[Renewed | Ended]:
        """A start without ceremony: if the rules admit it, the session goes on."""
        answer: Pending[Renewed | Ended] = Pending()

        def decided(outcome: Outcome) -> None:
            if isinstance(outcome, Admitted):
                self._state.counters["revived"] += 1
                answer.settle(Renewed(claims.session))
            else:
                state, account, session = self._state, claims.account, claims.session
                end = state.shard(account).stops.get(session, state.clock.now_ms())
                answer.settle(state.ended(account, session, end.reason if end else reason))

        self._starts.revive(self._unknown(claims, hop)).then(decided)
        return answer

    def _unknown(self, claims: Claims, hop: int) -> Entry:
        """What the token alone says of a session; its device's name is not in it.

        Nor whether it was admitted as overdraft: while young it must not precede older ones.
        """
        return Entry(
            dot=claims.session,  # type: ignore[arg-type]  # a session's id is its first dot
            session=claims.session,
            account=claims.account,
            device=Device(claims.device, claims.device, ""),
            title="",
            started_ms=claims.issued_ms,
            placed_ms=claims.issued_ms,
            deadline_s=claims.deadline_s,
            hop=min(hop + 1, 65_535),
            provisional=True,
            unconfirmed=False,
        )
