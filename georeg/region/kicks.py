"""Kicks by account holders and operators: final, durable before they are acknowledged.

A kick is written to the ledger and the journal and flushed to all regions at once. It answers
`ended` when the region that holds the session has released it, else, at the deadline, the regions
that it waits for. Repeating it gives the same answer.
"""

from typing import Final

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Kick, Reason
from georeg.region.model import Kicked, NotDurable, SessionInfo, State
from georeg.region.pending import Pending
from georeg.region.state import RegionState

WAITING_MAX: Final = 10_000


class Kicks:
    """Kicks that are asked for at this region."""

    def __init__(self, state: RegionState) -> None:
        self._state = state
        self._waiting: dict[SessionId, list[tuple[Kick, Pending[Kicked | NotDurable]]]] = {}

    def kick(
        self, account: str, session: SessionId, actor: ActorKind, actor_device: str
    ) -> Pending[Kicked | NotDurable] | None:
        """End a session of the account; None when it has no such session."""
        state = self._state
        known = state.kicked(account, session)
        if known is None:
            entry = state.holder(account, session)
            if entry is None:
                return None
            known = state.kick(entry, Reason.KICKED, actor, actor_device)
        kick, answer = known, Pending[Kicked | NotDurable]()

        def stored(error: OSError | None) -> None:
            if error is not None:
                answer.settle(NotDurable(str(error)))
            elif not self._waits_for(account, session) or len(self._waiting) >= WAITING_MAX:
                self._answer(kick, answer)
            else:
                self._waiting.setdefault(session, []).append((kick, answer))
                state.clock.call_later(state.settings.deadline_ms, lambda: self._late(kick, answer))

        state.journal.sync(stored)
        return answer

    def released(self, account: str, session: SessionId) -> None:
        """A holder released a session: kicks that waited for it are answered."""
        if session not in self._waiting or self._waits_for(account, session):
            return
        for kick, answer in self._waiting.pop(session):
            self._answer(kick, answer)

    def _late(self, kick: Kick, answer: Pending[Kicked | NotDurable]) -> None:
        if answer.value is not None:
            return
        waiting = self._waiting[kick.session]
        waiting.remove((kick, answer))
        if not waiting:
            del self._waiting[kick.session]
        self._answer(kick, answer)

    def _answer(self, kick: Kick, answer: Pending[Kicked | NotDurable]) -> None:
        waits_for = tuple(self._waits_for(kick.account, kick.session))
        answer.settle(Kicked(self._info(kick), waits_for))

    def _waits_for(self, account: str, session: SessionId) -> list[RegionId]:
        """Regions that still have a dot of the session."""
        known = self._state.known(account)
        return sorted({e.region for e in known if e.session == session})

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
