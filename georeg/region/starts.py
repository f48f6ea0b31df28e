"""Starts: from the request to the answer, within the deadline.

A `Start` gathers what is known (rule 1 decides what does not count), lets `rules.judge` say what
to do, does it, and looks again after each answer (rule 7) until it is admitted or refused. A
revival is a start for a session that had lapsed: it keeps its id and its place.

Cost: a start inside the grant is one look at one account, one event in the log, no message.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final

from crdt.dots import SessionId
from crdt.events import ActorKind, Entry, Kick, Reason
from georeg.region import rules
from georeg.region.asking import Asking, Inquiry
from georeg.region.budget import Budget
from georeg.region.evidence import Evidence
from georeg.region.look import NOT_TAKEN, Picture, keep_highest
from georeg.region.messages import LIST_MAX
from georeg.region.model import Basis, How, Outcome, Refused, StartRequest
from georeg.region.pending import Pending
from georeg.region.plans import state_plan
from georeg.region.retries import Retries
from georeg.region.seen import Seen, devices
from georeg.region.settings import OnLimit
from georeg.region.shadow import Shadow
from georeg.region.show import Show
from georeg.region.state import RegionState

EVICTIONS_MAX: Final = 100_000
_ADMITTED: Final = {basis: f"admitted_{basis}" for basis in Basis}
_REFUSED: Final = {how: f"refused_{how}" for how in How}


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
        "_account", "_evicts", "_inquiry", "_pending", "_picture", "_request", "_revived",
        "_since_ms", "_starts", "_state",
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
        self._picture = NOT_TAKEN
        """On which the last verdict rests."""

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
        while self._pending.value is None and not self._is_overtaken():
            verdict = rules.judge(self._case(is_final))
            match verdict:
                case rules.Admit(basis):
                    self._admit(basis)
                case rules.Refuse():
                    if not self._evict(verdict):
                        self._refuse(verdict)
                case rules.Yield(session):
                    self._state.release(session.entry, Reason.DISPLACED)
                case rules.Ask():
                    self._ask()
                    return
                case rules.Wait():
                    return

    def _is_overtaken(self) -> bool:
        """A revival that waited: the session was kicked, stopped or revived in the meantime."""
        if self._revived is None:
            return False
        state, session = self._state, self._revived.session
        if state.is_final(self._account, session):
            limit = state.limit_of(self._account)
            self._pending.settle(Refused(limit, How.LOCAL, (), self._took_ms()))
            return True
        held = state.held(self._account, session)
        if held is not None:
            others = [e for e in state.live(self._account) if e.session != session]
            show = self._starts.show
            limit = state.limit_of(self._account)
            self._pending.settle(
                show.admitted(
                    show.entry(held), held, others, Basis.GRANTED, limit, self._took_ms()
                )
            )
            return True
        return False

    def _case(self, is_final: bool) -> rules.Case:
        """What is known of the account now, without what does not count (rule 1)."""
        state, budget, account = self._state, self._starts.budget, self._account
        own = budget.vouch(account)  # before all else: it releases what is over
        entries = state.known(account)
        known = self._all_known(entries)
        gone = self._going(known)
        limit, live = state.limit_of(account), state.live(account, entries)
        usable = budget.usable(account, live)
        if gone:
            own = [s for s in own if s.session not in gone]
            live = [e for e in live if e.session not in gone]
        inquiry = self._inquiry
        answers = [] if inquiry is None else self._counting(inquiry.found(), gone)
        self._picture = Picture(state.plan_of(account), limit, known, gone, live, answers)
        slot = 0 if inquiry is None else inquiry.slot
        covered = self._covered(live) if is_final else ()
        return rules.Case(
            limit, own, usable, slot, devices(live), inquiry is not None, answers, covered, is_final
        )

    def _counting(self, found: Iterable[Seen], gone: Container[SessionId]) -> list[Seen]:
        """Of what other regions answered that which counts."""
        account, is_final = self._account, self._state.is_final
        return [s for s in found if s.session not in gone and not is_final(account, s.session)]

    def _covered(self, live: Iterable[Entry]) -> list[Entry]:
        """Sessions of regions that did not answer, whose beacon is fresh."""
        own, covers = self._state.region, self._starts.evidence.covers
        answered = {} if self._inquiry is None else self._inquiry.answers
        return [
            e
            for e in live
            if e.region != own and e.region not in answered and not e.unconfirmed and covers(e)
        ]

    def _all_known(self, entries: Iterable[Entry]) -> dict[SessionId, Entry]:
        """Every session of the account of which anything is known, answers included."""
        known: dict[SessionId, Entry] = {}
        for entry in entries:
            keep_highest(known, entry)
        for seen in self._inquiry.found() if self._inquiry is not None else ():
            keep_highest(known, seen.entry)
        return known

    def _going(self, known: Mapping[SessionId, Entry]) -> dict[SessionId, Reason]:
        """Rule 1: what the start supersedes, replaces or evicts, with the reason to give.

        A revival ends nothing: its device may have begun anew, and a heartbeat that comes late must
        not end what it plays now.
        """
        if self._revived is not None or not (known or self._request.replace):
            return {}
        gone: dict[SessionId, Reason] = {}
        for session in sorted(known):
            if known[session].device.id == self._request.device.id:
                gone[session] = Reason.SUPERSEDED
        gone.update((s, Reason.REPLACED) for s in self._request.replace if s not in gone)
        gone.update((s, Reason.LIMIT) for s in self._evicts)
        return {s: why for s, why in gone.items() if self._state.kicked(self._account, s) is None}

    def _ask(self) -> None:
        if self._inquiry is None:
            self._inquiry = self._starts.asking.open(self._account, self._news, self._again)
        gone = self._picture.gone
        own = sum(s.session not in gone for s in self._state.own(self._account))
        self._starts.asking.ask(
            self._inquiry,
            need=own + 1,
            want=own + 1,
            gone=tuple((s, int(why)) for s, why in gone.items())[:LIST_MAX],
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
        self._evicts = (*self._evicts, oldest.session)
        return True

    def _admit(self, basis: Basis) -> None:
        """End what the start supersedes, and hold the session."""
        state, request = self._state, self._request
        plan, limit, known, gone, others, _ = self._picture
        placed_ms = now_ms = state.clock.wall_ms()
        for session, reason in sorted(gone.items()):
            if session in known:
                placed_ms = min(placed_ms, known[session].placed_ms)
                state.kick(known[session], reason, ActorKind.DEVICE, request.device.name)
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
        state.counters[_ADMITTED[basis]] += 1
        state.decisions.admitted(
            entry, basis, plan, limit, others, self._took_ms(),
            is_revival=self._revived is not None,
        )  # fmt: skip
        self._tell_shadow(is_admitted=True)
        inquiry, self._inquiry = self._inquiry, None
        if provisional:
            self._starts.on_overdraft(inquiry)
        elif inquiry is not None:
            self._starts.asking.close(inquiry)
        show = self._starts.show
        self._pending.settle(
            show.admitted(show.begun(entry), entry, others, basis, limit, self._took_ms())
        )

    def _refuse(self, refusal: rules.Refuse) -> None:
        """Name the sessions that block, each with its evidence; nothing ends."""
        state, starts, revived = self._state, self._starts, self._revived
        blockers = starts.show.blockers(refusal.seen, refusal.covered, self._took_ms())
        state.counters[_REFUSED[refusal.how]] += 1
        starts.on_refused(self._account)
        if self._inquiry is not None:
            starts.asking.close(self._inquiry)
        refused = Refused(self._picture.limit, refusal.how, blockers, self._took_ms())
        state.decisions.refused(
            self._account, self._request.device, self._picture.plan, refused,
            None if revived is None else revived.session,
        )  # fmt: skip
        self._tell_shadow(is_admitted=False)
        self._pending.settle(refused)

    def _tell_shadow(self, *, is_admitted: bool) -> None:
        """What was known, for the second table of plans."""
        shadow, picture = self._starts.shadow, self._picture
        known = picture.plan
        if known is not None and shadow.has(known.plan.name) and self._revived is None:
            beside = devices([*picture.others, *picture.answers])
            plan = known.plan
            shadow.decided(self._account, plan.name, beside, plan.limit, is_admitted=is_admitted)

    def _took_ms(self) -> int:
        return self._state.clock.now_ms() - self._since_ms
