"""Asking others about an account: one inquiry to the home and to every region that is up.

An inquiry gathers what is answered during one request: who lives where, and the home's word. One
request for slots is in flight per region and account; inquiries that come meanwhile wait for its
answer and then look again (rule 4). Answers to closed inquiries are dropped; an inquiry lives at
most INQUIRY_MS. Cost: one message to each region, one answer from each.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from crdt.dots import RegionId, SessionId
from crdt.events import Plan
from crdt.liveness import RegionState as Liveness
from georeg.region.budget import Budget
from georeg.region.messages import LIST_MAX, Borrow, Confirm, Confirmed, Message, No, Slot
from georeg.region.seats import NOBODY
from georeg.region.seen import Seen, vouched
from georeg.region.state import RegionState

INQUIRY_MS: Final = 3_000
FLIGHT_MS: Final = 500
"""A request for slots that is not answered within this is given up, so that another may go."""
RETRY_MS: Final = 5
RID_BITS: Final = 40
"""Inquiries of one incarnation: an answer to a former process is never taken for one to this."""


class _Flight(NamedTuple):
    """A request for slots that is under way."""

    rid: int
    home: RegionId
    since_ms: int


class Inquiry:
    """What one request has learned so far."""

    __slots__ = (
        "account", "answers", "is_waiting", "on_news", "on_retry", "retry_is_due", "rid", "slot",
    )  # fmt: skip

    def __init__(
        self,
        account: str,
        rid: int,
        on_news: Callable[[], None],
        on_retry: Callable[[], None],
    ) -> None:
        self.account = account
        self.rid = rid
        self.on_news = on_news
        """Something was answered: look again."""
        self.on_retry = on_retry
        """The home's word was not the last one: ask again."""
        self.answers: dict[RegionId, tuple[Seen, ...]] = {}
        self.slot = 0
        """Slots granted to this very request; valid while `on_news` runs."""
        self.is_waiting = False
        """Another inquiry's request for slots is in flight."""
        self.retry_is_due = False

    def found(self) -> list[Seen]:
        """All sessions that were named in answers."""
        return [seen for region in sorted(self.answers) for seen in self.answers[region]]


class Asking:
    """All open inquiries of a region."""

    def __init__(
        self, state: RegionState, budget: Budget, send: Callable[[RegionId, Message], None]
    ) -> None:
        self._state = state
        self._budget = budget
        self._send = send
        self._open: dict[int, Inquiry] = {}
        self._by_account: dict[str, list[Inquiry]] = {}
        self._flights: dict[str, _Flight] = {}
        """account -> the one request that is in flight."""
        self._count = 0

    def open(
        self,
        account: str,
        on_news: Callable[[], None],
        on_retry: Callable[[], None] = lambda: None,
    ) -> Inquiry:
        """A new inquiry; nothing is sent yet."""
        self._count += 1
        rid = self._state.incarnation << RID_BITS | self._count
        inquiry = Inquiry(account, rid, on_news, on_retry)
        self._open[inquiry.rid] = inquiry
        self._by_account.setdefault(account, []).append(inquiry)
        self._state.clock.call_later(INQUIRY_MS, lambda: self.close(inquiry))
        return inquiry

    def close(self, inquiry: Inquiry) -> None:
        """Answers that still come are dropped."""
        if self._open.pop(inquiry.rid, None) is None:
            return
        same = self._by_account[inquiry.account]
        same.remove(inquiry)
        if not same:
            del self._by_account[inquiry.account]

    def ask(
        self,
        inquiry: Inquiry,
        *,
        need: int,
        want: int,
        gone: tuple[tuple[SessionId, int], ...] = (),
        device_name: str = "",
    ) -> None:
        """Ask the home for `need` slots in all (at best `want`), and everybody who is up."""
        self._borrow(inquiry, need, want, gone, device_name)
        self.confirm(inquiry)

    def confirm(self, inquiry: Inquiry) -> list[RegionId]:
        """Ask every other region that is not down who lives there; returns whom."""
        now_ms = self._state.clock.now_ms()
        regions = self._state.regions
        asked = [p for p in self._state.peers if regions.state(p, now_ms) is not Liveness.DOWN]
        for peer in asked:
            self._send(peer, Confirm(inquiry.account, inquiry.rid))
        return asked

    def waiting(self, account: str) -> int:
        """How many inquiries of the account wait for the one in flight."""
        return sum(i.is_waiting for i in self._by_account.get(account, ()))

    def on_confirm(self, peer: RegionId, message: Confirm) -> None:
        """Another region asks who lives here."""
        seen = self._budget.vouch(message.account)[:LIST_MAX]
        self._send(peer, Confirmed(message.account, message.rid, tuple(seen)))

    def on_confirmed(self, peer: RegionId, message: Confirmed) -> None:
        """Another region's answer."""
        inquiry = self._open.get(message.rid)
        if inquiry is not None and inquiry.account == message.account:
            inquiry.answers[peer] = vouched(peer, inquiry.account, message.seen)
            inquiry.on_news()

    def on_slot(self, home: RegionId, message: Slot) -> None:
        """The home granted."""
        is_own = home == self._state.region
        accepted = is_own or self._budget.accept(home, message)
        if not self._is_asked(home, message.account, message.rid):
            return
        inquiry = self._open.get(message.rid)
        if inquiry is not None and inquiry.account == message.account:
            inquiry.slot = message.amount if accepted else 0
            inquiry.on_news()
            inquiry.slot = 0
            self._retry(inquiry)
        self._landed(message.account, message.rid)

    def on_no(self, home: RegionId, message: No) -> None:
        """The home cannot grant: its word carries the fresh answers that it rests on.

        Only the home that was asked is believed about the sessions of others.
        """
        if not self._is_asked(home, message.account, message.rid):
            return
        inquiry = self._open.get(message.rid)
        if inquiry is not None and inquiry.account == message.account:
            for region, seen in message.answers:
                if region in self._state.peers:
                    inquiry.answers[region] = vouched(region, inquiry.account, seen)
            inquiry.on_news()
            self._retry(inquiry)
        self._landed(message.account, message.rid)

    def _borrow(
        self,
        inquiry: Inquiry,
        need: int,
        want: int,
        gone: tuple[tuple[SessionId, int], ...],
        device_name: str,
    ) -> None:
        state, account = self._state, inquiry.account
        now_ms = state.clock.now_ms()
        flight = self._flights.get(account)
        if (
            flight is not None
            and flight.rid != inquiry.rid
            and now_ms - flight.since_ms < FLIGHT_MS
        ):
            inquiry.is_waiting = True
            return
        seat, home = state.seat_of(account), state.home_of(account)
        if home == NOBODY:
            return  # until there is a home, what the regions answer decides
        self._flights[account] = _Flight(inquiry.rid, home, now_ms)
        request, generation = self._budget.next_request(seat, account)
        known = state.plan_of(account)
        plan, issued = (known.plan, known.issued) if known is not None else (Plan("", 0, 0), 0)
        self._send(
            home,
            Borrow(
                account, request, generation, now_ms, min(need, 255),
                min(want + self.waiting(account), 255), gone, device_name, inquiry.rid,
                plan, issued, seat,
            ),
        )  # fmt: skip

    def _retry(self, inquiry: Inquiry) -> None:
        """Let the asker ask again, a moment later: the state has moved on since the home's word."""
        if inquiry.rid not in self._open or inquiry.retry_is_due:
            return
        inquiry.retry_is_due = True

        def due() -> None:
            inquiry.retry_is_due = False
            if inquiry.rid in self._open:
                inquiry.on_retry()

        self._state.clock.call_later(RETRY_MS, due)

    def _is_asked(self, home: RegionId, account: str, rid: int) -> bool:
        """Whether this region's word on a request is waited for."""
        flight = self._flights.get(account)
        return flight is not None and (flight.rid, flight.home) == (rid, home)

    def _landed(self, account: str, rid: int) -> None:
        """The home has spoken: those who waited for it look again."""
        del self._flights[account]
        for inquiry in list(self._by_account.get(account, ())):
            if inquiry.rid == rid or inquiry.rid not in self._open:
                continue
            was_waiting, inquiry.is_waiting = inquiry.is_waiting, False
            inquiry.on_news()
            if was_waiting:
                self._retry(inquiry)

    def expire_flights(self) -> None:
        """Forget flights that nobody answered; called once a beacon round."""
        oldest_ms = self._state.clock.now_ms() - INQUIRY_MS
        for account in [a for a, f in self._flights.items() if f.since_ms < oldest_ms]:
            del self._flights[account]
