"""Rule 5: overdraft sessions go on asking in the background.

An account is looked at each beacon round while it has a session that no grant covers. Covered once,
a session is settled for good. Disproved while young, it is ended (kick: limit); later the plan's
policy says whether it may finish. Every fifth round also settled sessions ask, so that the home
knows of them again after a lost lease.

Bounded: at most ROUND_MAX accounts a round, oldest first.
"""

from typing import Final

from crdt.events import ActorKind, Entry, Reason
from georeg.region import rules
from georeg.region.asking import Asking, Inquiry
from georeg.region.budget import Budget
from georeg.region.seen import devices
from georeg.region.settings import Excess
from georeg.region.state import RegionState

ROUND_MAX: Final = 256
SETTLED_ROUNDS: Final = 5


class Overdrafts:
    """The accounts of a region whose own sessions exceed the usable grant."""

    def __init__(self, state: RegionState, budget: Budget, asking: Asking) -> None:
        self._state = state
        self._budget = budget
        self._asking = asking
        self._accounts: dict[str, None] = {}
        self._rounds = 0

    def held(self, account: str) -> None:
        """The account holds one session more here; it is looked at until it is covered."""
        self._accounts[account] = None

    def admitted(self, inquiry: Inquiry | None) -> None:
        """A provisional session was admitted: its start's open inquiry goes on as ours."""
        if inquiry is not None:
            inquiry.on_news = lambda: self._judge(inquiry)
            inquiry.on_retry = lambda: None
            inquiry.is_waiting = False
            self._judge(inquiry)

    def count(self) -> int:
        """Own live sessions beyond the usable grants."""
        return sum(self._excess(account) for account in list(self._accounts))

    def tick(self) -> None:
        """Once a beacon round: ask for cover where there is none."""
        self._rounds += 1
        for account in list(self._accounts)[:ROUND_MAX]:
            del self._accounts[account]
            if self._excess(account) <= 0:
                self._budget.vouch(account)  # covered: settled for good
                continue
            self._accounts[account] = None  # to the end of the queue
            own = self._budget.vouch(account)
            if self._rounds % SETTLED_ROUNDS == 0 or not all(s.settled for s in own):
                self._ask(account, len(own))

    def _excess(self, account: str) -> int:
        own = len(self._state.own_rows(account))
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
            answers = [s for s in inquiry.found() if state.kicked(account, s.session) is None]
            weak = [s for s in own if s.yields]
            if weak and devices([*own, *answers]) > limit:
                state.release(weak[0].entry, Reason.DISPLACED, at_once=True)
                continue
            usable = self._budget.usable(account)
            for seen in rules.disproved(limit, usable, own, answers):
                self._end_or_settle(seen.entry)
            return

    def _end_or_settle(self, entry: Entry) -> None:
        state = self._state
        is_young = state.clock.wall_ms() - entry.started_ms <= state.settings.young_ms
        if is_young or state.policy_of(entry.account).excess is Excess.END:
            state.kick(entry, Reason.LIMIT, ActorKind.SYSTEM)
        else:
            sessions = state.shard(entry.account).sessions
            sessions.settle(sessions.own_row(entry.account, entry.session))
