"""Starts: from the request to the answer, within the deadline.

A `Start` gathers what is known (rule 1 decides what does not count), lets `rules.judge` say what
to do, does it, and looks again after each answer (rule 7) until it is admitted or refused. A
revival is a start for a session that had lapsed: it keeps its id and its place.

Cost: a start inside the grant is one look at one account, one event in the log, no message.
"""

from collections.abc import Callable
from typing import Final

from crdt.dots import SessionId
from crdt.events import ActorKind, Entry, Kick, PlanSet, Reason
from georeg.region import rules
from georeg.region.asking import Asking, Inquiry
from georeg.region.budget import Budget
from georeg.region.evidence import Evidence
from georeg.region.look import by_place, keep_highest
from georeg.region.messages import LIST_MAX
from georeg.region.model import (
    Admitted,
    Basis,
    How,
    Outcome,
    Refused,
    SessionInfo,
    StartRequest,
)
from georeg.region.pending import Pending
from georeg.region.plans import state_plan
from georeg.region.retries import Retries
from georeg.region.seen import Seen, devices
from georeg.region.settings import OnLimit
from georeg.region.shadow import Shadow
from georeg.region.show import Show
from georeg.region.state import RegionState

EVICTIONS_MAX: Final = 100_000


class Starts:
    """All starts of a region, and what they share."""

    def __init__(
        self, state: RegionState, budget: Budget, asking: Asking, evidence: Evidence, show: Show
    ) -> None:
        self.state = state
        self.budget = budget
        self.asking = asking
        self.evidence = evidence
        self.show = show
        self.on_overdraft: Callable[[Inquiry | None], None] = lambda inquiry: None
        """Set by overdrafts.py: a provisional session was admitted."""
        self.on_refused: Callable[[str], None] = lambda account: None
        """Set by the region: an account's start was refused."""
        self._retries = Retries(state)
        self.shadow = Shadow(state.clock)
        self._evicted: dict[tuple[str, str], int] = {}
        """(account, device) -> when it may end others again, wall ms: see `may_evict`."""

    def start(self, request: StartRequest) -> Pending[Outcome]:
        """Decide a start. A retry with the same key and the same request gets the same answer."""
        return self._retries.answer(request, self._begin)

    def revive(self, entry: Entry) -> Pending[Outcome]:
        """A start without ceremony for a session that had lapsed or yielded.

        `entry` says what is known of it: device, place, hop to use.
        """
        request = StartRequest(entry.account, entry.device, entry.title)
        return Start(self, request, revived=entry).run()

    def may_evict(self, account: str, device: str) -> bool:
        """Whether the device may end another's session by policy.

        One that was itself ended that way may not, until its viewer says so (`replace`): two
        players that retry by themselves would else end one another for ever.
        """
        return self._evicted.get((account, device), 0) <= self.state.clock.wall_ms()

    def kicked(self, kick: Kick) -> None:
        """Note a kick that made room by policy: its device may not do the same in turn."""
        if kick.reason is not Reason.LIMIT or kick.actor is not ActorKind.DEVICE:
            return
        self._evicted[kick.account, kick.device.id] = kick.expires_s * 1000
        while len(self._evicted) > EVICTIONS_MAX:
            del self._evicted[next(iter(self._evicted))]

    def _begin(self, request: StartRequest) -> Pending[Outcome]:
        if request.plan is not None:
            self._note_plan(request)
        return Start(self, request).run()

    def _note_plan(self, request: StartRequest) -> None:
        """Store the entitlement's plan when it says something new.

        A repeated statement is stored again only when it is an hour younger: one event per start
        would double the replication. A stale one that slips in is corrected by the next start.
        """
        assert request.plan is not None
        known = self.state.plan_of(request.account)
        hour = 3_600_000 << 16  # in units of the hybrid logical clock
        if known is None or known.plan != request.plan or request.plan_issued > known.issued + hour:
            state_plan(self.state, request.account, request.plan, request.plan_issued)


class Start:
    """One start on its way to an answer."""

    __slots__ = (
        "_account", "_answers", "_evicts", "_found", "_gone", "_inquiry", "_limit", "_others",
        "_pending", "_plan", "_request", "_revived", "_since_ms", "_starts", "_state",
    )  # fmt: skip

    def __init__(self, starts: Starts, request: StartRequest, revived: Entry | None = None) -> None:
        self._starts = starts
        self._state = starts.state
        self._request = request
        self._account = request.account
        self._revived = revived
        self._since_ms = self._state.clock.now_ms()
        self._pending: Pending[Outcome] = Pending()
        self._inquiry: Inquiry | None = None
        self._evicts: tuple[SessionId, ...] = ()
        # What the last look at the account showed (`_case`); good until something is done.
        self._found: dict[SessionId, Entry]
        """Of every session of which anything is known, answers included, the entry that holds it.
        """
        self._gone: dict[SessionId, Reason]
        """Rule 1: what does not count, and ends when the start is admitted."""
        self._others: list[Entry]
        """The account's live sessions that stay when the start is admitted."""
        self._answers: list[Seen]
        """Of other regions: those that count."""
        self._plan: PlanSet | None
        self._limit: int

    def run(self) -> Pending[Outcome]:
        """Decide at once if possible; else by the deadline."""
        self._step(is_final=False)
        if self._pending.value is None:
            state = self._state
            deadline_ms = self._request.deadline_ms or state.settings.deadline_ms
            far = self._starts.evidence.is_far(state.home_of(self._account), deadline_ms)
            state.clock.call_later(0 if far else deadline_ms, lambda: self._step(is_final=True))
        return self._pending

    def _news(self) -> None:
        """An answer came: judge again."""
        self._step(is_final=False)

    def _again(self) -> None:
        """The home said no, but the state has moved on: ask again while there is time."""
        self._step(is_final=False)
        if self._pending.value is None:
            self._ask()

    def _step(self, *, is_final: bool) -> None:
        """Rules 2 to 4 on the state as it is, until there is nothing to do but wait."""
        while self._pending.value is None and not (self._revived and self._is_overtaken()):
            verdict = rules.judge(self._case(is_final))
            match verdict:
                case rules.Admit(basis):
                    self._admit(basis)
                case rules.Wait():
                    return
                case rules.Ask():
                    self._ask()
                    return
                case rules.Yield(session):
                    self._state.release(session.entry, Reason.DISPLACED)
                case rules.Refuse():
                    if not self._evict(verdict):
                        self._refuse(verdict)

    def _is_overtaken(self) -> bool:
        """A revival that waited: the session was kicked, stopped or revived in the meantime."""
        assert self._revived is not None
        state, session = self._state, self._revived.session
        if state.is_final(self._account, session):
            self._settle(Refused(state.limit_of(self._account), How.LOCAL, (), self._took_ms()))
            return True
        held = state.held(self._account, session)
        if held is not None:
            self._others = [e for e in state.live(self._account) if e.session != session]
            self._limit = state.limit_of(self._account)
            shown = self._starts.show.entry(held)
            self._settle(self._admitted(held, shown, Basis.GRANTED, self._took_ms()))
            return True
        return False

    def _case(self, is_final: bool) -> rules.Case:
        """Look at the account: once for all that the next step needs."""
        state, account, inquiry, starts = self._state, self._account, self._inquiry, self._starts
        own: list[Seen] = []
        live: list[Entry] = []
        self._found = {}
        if inquiry is not None or state.knows_of(account):  # of most accounts nothing is known
            own = starts.budget.vouch(account)  # first: it releases what is over here
            live, self._found = state.live(account, own=own), self._known()
        self._plan, self._limit = state.plan_of(account), state.limit_of(account)
        gone = self._gone = self._superseded()
        self._others = [e for e in live if e.session not in gone] if gone else live
        self._answers = [s for s in inquiry.found() if self._counts(s)] if inquiry else []
        return rules.Case(
            limit=self._limit,
            own=[s for s in own if s.session not in gone] if gone else own,
            usable=starts.budget.usable(account, live),
            slot=inquiry.slot if inquiry else 0,
            in_view=devices(self._others) if live else 0,
            has_asked=inquiry is not None,
            answers=self._answers,
            covered=self._covered() if is_final else (),
            is_final=is_final,
        )

    def _counts(self, seen: Seen) -> bool:
        return seen.session not in self._gone and not self._state.is_final(
            self._account, seen.session
        )

    def _covered(self) -> list[Entry]:
        """Sessions of regions that did not answer, whose fresh beacon covers them."""
        here, covers = self._state.region, self._starts.evidence.covers
        answered = {here, *(self._inquiry.answers if self._inquiry else ())}
        silent = [e for e in self._others if e.region not in answered]
        return [e for e in silent if not e.unconfirmed and covers(e)]

    def _known(self) -> dict[SessionId, Entry]:
        """Every session of the account of which anything is known, answers included."""
        known: dict[SessionId, Entry] = {}
        for entry in self._state.known(self._account):
            keep_highest(known, entry)
        for seen in self._inquiry.found() if self._inquiry is not None else ():
            keep_highest(known, seen.entry)
        return known

    def _superseded(self) -> dict[SessionId, Reason]:
        """Rule 1, for those that have not ended already.

        A revival ends nothing: its device may have begun anew, and a heartbeat that comes late must
        not end what it plays now.
        """
        request = self._request
        if self._revived is not None or not (self._found or request.replace):
            return {}
        gone = rules.superseded(self._found, request.device.id, request.replace, self._evicts)
        return {s: why for s, why in gone.items() if self._state.kicked(self._account, s) is None}

    def _ask(self) -> None:
        if self._inquiry is None:
            self._inquiry = self._starts.asking.open(self._account, self._news, self._again)
        own = sum(s.session not in self._gone for s in self._state.own(self._account))
        self._starts.asking.ask(
            self._inquiry,
            need=own + 1,
            want=own + 1,
            gone=tuple((s, int(why)) for s, why in self._gone.items())[:LIST_MAX],
            device_name=self._request.device.name,
        )

    def _evict(self, refusal: rules.Refuse) -> bool:
        """Policy `end_oldest`: instead of a refusal the oldest session ends."""
        state, request = self._state, self._request
        if state.policy_of(self._account).on_limit is not OnLimit.END_OLDEST or self._revived:
            return False
        if not self._starts.may_evict(self._account, request.device.id):
            return False
        entries = [s.entry for s in refusal.seen] + list(refusal.covered)
        oldest = min(entries, key=lambda e: (e.placed_ms, e.dot))
        if oldest.session in self._evicts:
            return False
        self._evicts += (oldest.session,)
        return True

    def _admit(self, basis: Basis) -> None:
        """End what the start supersedes, and hold the session."""
        state, request = self._state, self._request
        placed_ms = now_ms = state.clock.wall_ms()
        for session, reason in sorted(self._gone.items()):
            if (known := self._found.get(session)) is not None:
                placed_ms = min(placed_ms, known.placed_ms)
                state.kick(known, reason, ActorKind.DEVICE, request.device.name)
        provisional = basis is Basis.OVERDRAFT
        if self._revived is not None:
            old = self._revived
            entry = state.hold(
                self._account, old.device, session=old.session, title=old.title,
                started_ms=old.started_ms, placed_ms=old.placed_ms, deadline_s=old.deadline_s,
                hop=old.hop, provisional=provisional, at_once=True,
            )  # fmt: skip
        else:
            entry = state.hold(
                self._account, request.device, title=request.title, started_ms=now_ms,
                placed_ms=placed_ms, deadline_s=now_ms // 1000 + state.settings.session_limit_s,
                provisional=provisional,
            )  # fmt: skip
        state.counters[f"admitted_{basis}"] += 1
        took_ms = self._took_ms()
        state.decisions.admitted(
            entry, basis, self._plan, self._limit, self._others, took_ms,
            is_revival=self._revived is not None,
        )  # fmt: skip
        self._tell_shadow(is_admitted=True)
        inquiry, self._inquiry = self._inquiry, None
        if provisional:
            self._starts.on_overdraft(inquiry)
        elif inquiry is not None:
            self._starts.asking.close(inquiry)
        self._settle(self._admitted(entry, self._starts.show.heard_now(entry), basis, took_ms))

    def _admitted(self, held: Entry, info: SessionInfo, basis: Basis, took_ms: int) -> Admitted:
        if not self._others:
            return Admitted(info, basis, self._limit, 1, took_ms, (info,))
        show, live = self._starts.show, sorted([*self._others, held], key=by_place)
        shown = tuple([info if e is held else show.entry(e) for e in live])
        return Admitted(info, basis, self._limit, devices(live), took_ms, shown)

    def _refuse(self, refusal: rules.Refuse) -> None:
        """Name the sessions that block, each with its evidence; nothing ends."""
        state, starts = self._state, self._starts
        blockers = starts.show.blockers(refusal.seen, refusal.covered, self._took_ms())
        state.counters[f"refused_{refusal.how}"] += 1
        starts.on_refused(self._account)
        if self._inquiry is not None:
            starts.asking.close(self._inquiry)
        refused = Refused(self._limit, refusal.how, blockers, self._took_ms())
        state.decisions.refused(
            self._account, self._request.device, self._plan, refused,
            None if self._revived is None else self._revived.session,
        )  # fmt: skip
        self._tell_shadow(is_admitted=False)
        self._settle(refused)

    def _tell_shadow(self, *, is_admitted: bool) -> None:
        """What was known, for the second table of plans."""
        shadow, known = self._starts.shadow, self._plan
        if known is not None and shadow.has(known.plan.name) and self._revived is None:
            beside = devices([*self._others, *self._answers])
            plan = known.plan
            shadow.decided(self._account, plan.name, beside, plan.limit, is_admitted=is_admitted)

    def _settle(self, outcome: Outcome) -> None:
        self._pending.settle(outcome)

    def _took_ms(self) -> int:
        return self._state.clock.now_ms() - self._since_ms
