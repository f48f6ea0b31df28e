"""Rule 5: overdraft sessions go on asking in the background.

An account is looked at each beacon round while it has a provisional session. Covered once, a
session is settled for good. Disproved while young, it is ended (kick: limit); later the plan's
policy says whether it may finish. Accounts whose sessions are settled but not covered (adopted
ones, or whose grant ended with its region lease) ask now and then, so that the home knows of them
again.

Bounded: at most ROUND_MAX accounts a round, oldest first, those with provisional sessions before
the others.
"""

from collections.abc import Callable
from heapq import nlargest
from itertools import chain, islice
from typing import Final

from crdt.dots import SessionId
from crdt.events import ActorKind, Entry, Reason
from georeg.region import rules
from georeg.region.asking import Asking, Inquiry
from georeg.region.budget import Budget
from georeg.region.decisions import Kind
from georeg.region.seen import devices
from georeg.region.settings import Excess
from georeg.region.state import RegionState

ROUND_MAX: Final = 256
SETTLED_ROUNDS: Final = 5
"""Settled ones are in turn every so many rounds, while they are few."""
VOIDED_MAX: Final = 2_048
"""Accounts a round that are taken up after a region lease has ended."""


class Overdrafts:
    """The accounts of a region whose own sessions exceed the usable grant."""

    def __init__(self, state: RegionState, budget: Budget, asking: Asking) -> None:
        self._state = state
        self._budget = budget
        self._asking = asking
        self._provisional: dict[str, int] = {}
        self._settled: dict[str, int] = {}
        """account -> its overdraft when it was last looked at; in the order of the next look."""
        self._young_until: dict[str, dict[SessionId, int]] = {}
        """Of the accounts in `_provisional`: until when a session may be ended for the limit. Noted
        when it is first seen, since wall clocks jump and the monotonic one does not."""
        self.is_leaving: Callable[[], bool] = lambda: False
        """Set by the region: a drain has effect. Then only provisional sessions ask, which must be
        proved or disproved; the settled ones leave, and need no slots here."""
        self.count = 0
        """Own live sessions beyond the usable grants, as of the last looks."""

    def held(self, account: str, is_provisional: bool) -> None:
        """The account holds a session that no grant covers as yet."""
        if is_provisional:
            self._note_young(account)
        self._note(account, max(1, self._forget(account)), is_provisional)

    def admitted(self, inquiry: Inquiry | None) -> None:
        """A provisional session was admitted: its start's open inquiry goes on as ours."""
        if inquiry is not None:
            inquiry.on_news = lambda: self._judge(inquiry)
            inquiry.on_retry = lambda: None
            inquiry.is_waiting = False
            self._judge(inquiry)

    def tick(self) -> None:
        """Once a beacon round: ask for cover where there is none."""
        for account in self._budget.take_voided(VOIDED_MAX):
            if account not in self._provisional and account not in self._settled:
                self._note(account, 0, is_provisional=False)
        accounts = list(islice(self._provisional, ROUND_MAX))
        in_turn = len(self._settled) // SETTLED_ROUNDS + 1
        if not self.is_leaving():
            accounts += islice(self._settled, min(in_turn, ROUND_MAX - len(accounts)))
        for account in accounts:
            self._look(account)

    def largest(self, count: int) -> list[tuple[str, int]]:
        """The accounts with the largest overdraft as of the last looks, with it."""
        every = chain(self._provisional.items(), self._settled.items())
        return nlargest(count, ((a, n) for a, n in every if n > 0), key=lambda pair: pair[1])

    def _look(self, account: str) -> None:
        self._forget(account)
        excess = self._excess(account)
        own = self._budget.vouch(account)  # covered: settled for good
        if excess > 0:
            self._note(account, excess, is_provisional=not all(s.settled for s in own))
            self._ask(account, len(own))
        if account not in self._provisional:
            self._young_until.pop(account, None)

    def _note(self, account: str, excess: int, is_provisional: bool) -> None:
        queue = self._provisional if is_provisional else self._settled
        queue[account] = excess
        self.count += excess

    def _note_young(self, account: str) -> None:
        """A session counts as young from its start, wherever that was."""
        state, until = self._state, self._young_until.setdefault(account, {})
        now_ms, young_ms = state.clock.now_ms(), state.settings.young_ms
        for seen in state.own(account):
            if not seen.settled and seen.session not in until:
                age_ms = state.clock.wall_ms() - seen.entry.started_ms
                until[seen.session] = now_ms + young_ms - max(0, min(age_ms, young_ms + 1))

    def _forget(self, account: str) -> int:
        excess = self._provisional.pop(account, 0) + self._settled.pop(account, 0)
        self.count -= excess
        return excess

    def _excess(self, account: str) -> int:
        own = self._state.own_count(account)
        return own - self._budget.usable(account) if own else 0

    def _ask(self, account: str, own: int) -> None:
        inquiry = self._asking.open(account, lambda: self._judge(inquiry))
        usable = self._budget.usable(account)
        self._asking.ask(inquiry, need=min(own, usable + 1), want=own)

    def _judge(self, inquiry: Inquiry) -> None:
        """End what the answers disprove: a suspect one yields first, then the newest."""
        state, account = self._state, inquiry.account
        limit = state.limit_of(account)
        while self._excess(account) > 0:
            own = self._budget.vouch(account)
            answers = [s for s in inquiry.found() if not state.is_final(account, s.session)]
            weak = [s for s in own if s.yields]
            if weak and devices([*own, *answers]) > limit:
                state.release(weak[0].entry, Reason.DISPLACED, at_once=True)
                continue
            usable = self._budget.usable(account)
            for seen in rules.disproved(limit, usable, own, answers):
                self._end_or_settle(seen.entry)
            return
        self._budget.vouch(account)  # covered: settled for good

    def _end_or_settle(self, entry: Entry) -> None:
        state = self._state
        until_ms = self._young_until.get(entry.account, {}).get(entry.session, 0)
        is_young = state.clock.now_ms() <= until_ms
        if is_young or state.policy_of(entry.account).excess is Excess.END:
            state.kick(entry, Reason.LIMIT, ActorKind.SYSTEM)
        else:
            sessions = state.shard(entry.account).sessions
            sessions.settle(sessions.own_row(entry.account, entry.session))
            state.decisions.held(Kind.MAY_FINISH, entry)
