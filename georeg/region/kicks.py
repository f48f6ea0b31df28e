"""Kicks by account holders and operators: final, durable before they are acknowledged.

A kick is written to the ledger and the journal and flushed to all regions at once. It answers
`ended` when the region that holds the session has released it, else, at the deadline, the regions
that it waits for. Repeating it gives the same answer. A session whose start has not been heard of
here is looked for in the other regions first: a viewer may kick what another region's refusal has
just named.
"""

from collections.abc import Callable
from typing import Final

from crdt.dots import RegionId, SessionId, region_of, shard_of_dot
from crdt.events import ActorKind, Entry, Kick, Reason
from georeg.region.asking import Asking
from georeg.region.model import Kicked, KickOutcome, NoSession, NotDurable, SessionInfo, State
from georeg.region.pending import Pending
from georeg.region.state import RegionState

WAITING_MAX: Final = 10_000


class Kicks:
    """Kicks that are asked for at this region."""

    def __init__(self, state: RegionState, asking: Asking) -> None:
        self._state = state
        self._asking = asking
        self._waiting: dict[SessionId, list[tuple[Kick, Pending[KickOutcome]]]] = {}

    def kick(
        self, account: str, session: SessionId, actor: ActorKind, actor_device: str
    ) -> Pending[KickOutcome]:
        """End a session of the account, also one whose start this region has not heard of yet."""
        state, answer = self._state, Pending[KickOutcome]()
        known = state.kicked(account, session)
        entry = state.holder(account, session)
        if known is not None:
            self._store(known, answer)
        elif entry is not None:
            self._store(state.kick(entry, Reason.KICKED, actor, actor_device), answer)
        elif self._is_heard_of(account, session):
            answer.settle(NoSession())
        else:
            self._search(
                account,
                session,
                lambda e: self._store(state.kick(e, Reason.KICKED, actor, actor_device), answer),
                lambda: answer.settle(NoSession()),
            )
        return answer

    def _is_heard_of(self, account: str, session: SessionId) -> bool:
        """Whether its start cannot be on its way: its dot is known here, or not another region's.

        The session of another account is as unknown as none: its dot is of another shard, or known.
        """
        shard = self._state.shard(account)
        is_foreign = region_of(session) in self._state.peers
        is_here = shard_of_dot(session) == shard.index
        return not (is_foreign and is_here) or shard.context.has(session)

    def _search(
        self,
        account: str,
        session: SessionId,
        found: Callable[[Entry], None],
        not_found: Callable[[], None],
    ) -> None:
        """Ask the other regions until one has it, all have answered, or the deadline is here."""

        def look() -> None:
            entry = next((s.entry for s in inquiry.found() if s.session == session), None)
            if entry is None and not asked <= set(inquiry.answers):
                return
            self._asking.close(inquiry)
            timer.cancel()
            if entry is not None:
                found(entry)
            else:
                not_found()

        def give_up() -> None:
            self._asking.close(inquiry)
            not_found()

        inquiry = self._asking.open(account, look)
        timer = self._state.clock.call_later(self._state.settings.deadline_ms, give_up)
        asked = set(self._asking.confirm(inquiry))
        if not asked:
            look()

    def _store(self, kick: Kick, answer: Pending[KickOutcome]) -> None:
        """Make the kick durable, then wait for its holder until the deadline."""
        state = self._state

        def stored(error: OSError | None) -> None:
            if error is not None:
                state.counters["journal_refusals"] += 1
                answer.settle(NotDurable(str(error)))
            elif (
                not self._waits_for(kick.account, kick.session) or len(self._waiting) >= WAITING_MAX
            ):
                self._answer(kick, answer)
            else:
                self._waiting.setdefault(kick.session, []).append((kick, answer))
                state.clock.call_later(state.settings.deadline_ms, lambda: self._late(kick, answer))

        state.journal.sync(stored)

    def released(self, account: str, session: SessionId) -> None:
        """A holder released a session: kicks that waited for it are answered."""
        if session not in self._waiting or self._waits_for(account, session):
            return
        for kick, answer in self._waiting.pop(session):
            self._answer(kick, answer)

    def _late(self, kick: Kick, answer: Pending[KickOutcome]) -> None:
        if answer.value is not None:
            return
        waiting = self._waiting[kick.session]
        waiting.remove((kick, answer))
        if not waiting:
            del self._waiting[kick.session]
        self._answer(kick, answer)

    def _answer(self, kick: Kick, answer: Pending[KickOutcome]) -> None:
        waits_for = tuple(self._waits_for(kick.account, kick.session))
        answer.settle(Kicked(self._info(kick), waits_for))

    def _waits_for(self, account: str, session: SessionId) -> list[RegionId]:
        """Regions that still have a dot of the session, or whose start of it is on its way."""
        regions = {e.region for e in self._state.known(account) if e.session == session}
        if not self._is_heard_of(account, session):
            regions.add(region_of(session))
        return sorted(regions)

    def _info(self, kick: Kick) -> SessionInfo:
        """The session as it was when it was kicked: the same in every answer."""
        return SessionInfo(
            session=kick.session,
            account=kick.account,
            device=kick.device,
            title="",
            region=kick.region,
            started_ms=kick.started_ms,
            last_seen_ms=kick.at_ms,
            state=State.LIVE,
            deadline_s=kick.expires_s,
            lapses_ms=kick.at_ms,
        )
