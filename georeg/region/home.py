"""The home: leases out the slots of an account, one request at a time, in order.

It judges a request on fresh answers: it recalls from every holder and asks every region with live
sessions. Room is the limit minus, per region, the larger of its valid grant and its live devices.
Its "no" carries the answers that it rests on. Cost: nothing is asked while there is room; else one
round of recalls, and a second one when sessions yield.

A region is home in the seats in which it sits (seats.py), and each has a book of its own. A request
for another seat comes from a region that has not heard yet who sits there: no answer.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from crdt.book import Claimed, GrantBook, Meet
from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Reason
from georeg.region.budget import Budget
from georeg.region.idle import IdleGrants
from georeg.region.messages import (
    AMOUNT_MAX,
    LIST_MAX,
    Borrow,
    Leased,
    Message,
    No,
    Recall,
    Recalled,
    Renew,
    Slot,
    Void,
)  # fmt: skip
from georeg.region.plans import state_plan
from georeg.region.seen import Seen, devices, vouched
from georeg.region.state import RegionState

PATIENCE_MS: Final = 1_000
"""A request that is not decided within this gets no answer; its region has decided long since."""
QUEUE_MAX: Final = 64
"""Requests of one account that may wait; regions have one in flight each."""
WID_BITS: Final = 40
"""Requests of one incarnation: an answer to a former process never speaks for this one."""


class _Request:
    """One borrow request and its own round of recalls."""

    __slots__ = (
        "answers", "asked", "asker", "borrow", "is_latest", "phase", "seat", "since_ms", "wid",
    )  # fmt: skip

    def __init__(
        self,
        wid: int,
        asker: RegionId,
        seat: RegionId,
        borrow: Borrow,
        is_latest: bool,
        since_ms: int,
    ) -> None:
        self.wid = wid
        self.seat = seat
        self.asker = asker
        self.borrow = borrow
        self.is_latest = is_latest
        self.since_ms = since_ms
        self.answers: dict[RegionId, tuple[Seen, ...]] = {}
        self.asked: set[RegionId] = set()
        self.phase = 0
        """0 nothing asked, 1 everybody asked, 2 victims asked to hand over."""


class Home:
    """The home's side, for all accounts that live here."""

    def __init__(
        self,
        state: RegionState,
        budget: Budget,
        send: Callable[[RegionId, Message], None],
    ) -> None:
        self._state = state
        self._budget = budget
        self._send = send
        self._queues: dict[str, deque[_Request]] = {}
        self._requests: dict[int, _Request] = {}
        self._count = 0
        self.idle = IdleGrants(state, send)

    def _book(self, seat: RegionId) -> GrantBook | None:
        """The book of a seat in which this region is home now."""
        return self._state.seats.acting(seat, self._state.clock.now_ms())

    def is_asked(self, account: str) -> bool:
        """Whether a request of the account waits."""
        return account in self._queues

    # ---- requests ----------------------------------------------------------------------------

    def on_borrow(self, asker: RegionId, borrow: Borrow) -> None:
        """A region wants slots: queue its request behind the others of the account."""
        account, now_ms = borrow.account, self._state.clock.now_ms()
        seat = borrow.seat or self._state.region
        if borrow.issued:
            state_plan(self._state, account, borrow.plan, borrow.issued)
        is_latest = True
        if asker != self._state.region:
            book = self._book(seat)
            if book is None or not self._meet(book, seat, asker, borrow.generation):
                return
            is_latest = book.is_latest(account, asker, borrow.request)
            if is_latest:
                book.renew(asker, now_ms)
        queue = self._queues.setdefault(account, deque())
        if len(queue) >= QUEUE_MAX:
            return
        self._count += 1
        wid = self._state.incarnation << WID_BITS | self._count
        request = _Request(wid, asker, seat, borrow, is_latest, now_ms)
        self._requests[request.wid] = request
        queue.append(request)
        self._state.clock.call_later(PATIENCE_MS, lambda: self._give_up(request.wid))
        if queue[0] is request:
            self._serve(request)

    def on_recalled(self, holder: RegionId, message: Recalled) -> None:
        """A holder has given back what it does not use and said who lives there."""
        account, now_ms = message.account, self._state.clock.now_ms()
        seat = message.seat or self._state.region
        book = self._book(seat)
        if book is not None and self._meet(book, seat, holder, message.generation):
            book.returned(account, holder, message.request, message.has, now_ms)
        self._state.hints.note(account, message.hints)
        request = self._requests.get(message.wid)
        if request is not None and request.borrow.account == account:
            request.answers[holder] = vouched(holder, account, message.seen)
            self._serve(request)

    def _serve(self, request: _Request) -> None:
        """Grant when there is room; else ask, make victims hand over, at last say no."""
        queue = self._queues.get(request.borrow.account)
        if queue is None or queue[0] is not request:
            return
        room, taken = self._room(request)
        may_grant = self._may_grant(request)
        if may_grant and room >= request.borrow.need:
            self._grant(request, room, in_use_elsewhere=any(taken.values()))
            return
        if request.phase < 2:
            request.phase = 1
            # Also those of which news has come meanwhile. The own sessions are in the view as they
            # are at each look; an answer would go stale.
            unasked = {r for r, n in taken.items() if n} - request.asked - {self._state.region}
            request.asked |= unasked
            missing = max(1, request.borrow.need - max(room, 0))
            for region in sorted(unasked):
                self._recall(request, region, missing, ())
        if request.asked - set(request.answers):
            return
        if request.phase == 1 and may_grant and self._make_room(request):
            self._serve(request)
            return
        self._refuse(request)

    def _may_grant(self, request: _Request) -> bool:
        """Whether a slot would be taken: not when the region has withdrawn its request since.

        A slot is given back with a later number, so the holder refuses the answer to this one, and
        the book would count what nobody has.
        """
        state, borrow, book = self._state, request.borrow, self._book(request.seat)
        if book is None or state.seat_of(borrow.account) != request.seat:
            return False  # the region asked by an older plan, which names another seat
        if book.is_learning(state.clock.now_ms()) or self._budget.is_moving(borrow.account):
            return False
        return request.asker == state.region or (
            request.is_latest and book.is_current(borrow.account, request.asker, borrow.request)
        )

    def _room(self, request: _Request) -> tuple[int, dict[RegionId, int]]:
        """Slots for the asking region, and what the others hold or use.

        A fresh answer replaces what the view shows of its region; the grant counts either way.
        """
        state, account = self._state, request.borrow.account
        live = state.live(account)
        book = self._book(request.seat)
        granted = {} if book is None else book.valid(account, state.clock.now_ms())
        taken = {}
        for region in sorted({state.region, *state.peers, *granted}):  # one may have been removed
            if region == request.asker:
                continue
            if region in request.answers:
                used = devices(
                    s for s in request.answers[region] if not state.is_final(account, s.session)
                )
            else:
                used = devices(e for e in live if e.region == region)
            own_grant = granted.get(region, 0) if region != state.region else 0
            taken[region] = max(own_grant, used)
        return state.limit_of(account) - sum(taken.values()), taken

    def _grant(self, request: _Request, room: int, *, in_use_elsewhere: bool) -> None:
        """The first region that asks gets all that are free: a household mostly stays in one."""
        borrow, now_ms, book = request.borrow, self._state.clock.now_ms(), self._book(request.seat)
        assert book is not None, "it may grant"
        amount = min(borrow.want, max(room, borrow.need))
        if not in_use_elsewhere:
            amount = room
        if request.asker != self._state.region:
            amount = book.grant(borrow.account, request.asker, min(amount, AMOUNT_MAX), now_ms)
        slot = Slot(
            borrow.account, borrow.request, borrow.generation, book.term, borrow.sent_ms, amount,
            borrow.rid, request.seat,
        )  # fmt: skip
        self._finish(request, slot)

    def _make_room(self, request: _Request) -> bool:
        """Second round: what the start ends, else one suspect session, is ended by its holder."""
        state, account = self._state, request.borrow.account
        gone = dict(request.borrow.gone)
        everybody = self._everybody(request)
        firm = [s for s in everybody if s.firm and s.session not in gone]
        if devices(firm) >= state.limit_of(account):
            return False
        victims = [(s, gone[s.session]) for s in everybody if s.session in gone]
        if not victims:
            victims = [(s, int(Reason.DISPLACED)) for s in everybody if s.yields][:1]
        if not victims:
            return False
        request.phase = 2
        request.asked = {s.region for s, _ in victims} - {state.region}
        for region in sorted(request.asked):
            request.answers.pop(region, None)
            take = tuple((s.session, why) for s, why in victims if s.region == region)
            self._recall(request, region, request.borrow.need, take)
        for seen, why in victims:
            if seen.region == state.region and why != Reason.DISPLACED:
                name = request.borrow.device_name
                state.kick(seen.entry, Reason(why), ActorKind.DEVICE, name)
            elif seen.region == state.region and state.held(account, seen.session) is not None:
                state.release(seen.entry, Reason.DISPLACED, at_once=True)
        return True

    def _everybody(self, request: _Request) -> list[Seen]:
        """All sessions that were answered or are held here, but for those that are over."""
        account = request.borrow.account
        answers = {**request.answers, self._state.region: tuple(self._budget.vouch(account))}
        return [
            s
            for region in sorted(answers)
            for s in answers[region]
            if not self._state.is_final(account, s.session)
        ]

    def _refuse(self, request: _Request) -> None:
        account = request.borrow.account
        answers = {**request.answers, self._state.region: tuple(self._budget.vouch(account))}
        told = tuple((region, answers[region][:LIST_MAX]) for region in sorted(answers))
        self._finish(request, No(account, request.borrow.rid, told))

    def _recall(
        self,
        request: _Request,
        region: RegionId,
        need: int,
        take: tuple[tuple[SessionId, int], ...],
    ) -> None:
        borrow = request.borrow
        need = min(need, AMOUNT_MAX)
        self._send(
            region,
            Recall(borrow.account, request.wid, need, take, borrow.device_name, request.seat),
        )

    def _finish(self, request: _Request, answer: Slot | No) -> None:
        """Answer, and serve the next request of the account."""
        asker = request.asker
        self._drop(request)
        self._send(asker, answer)
        self._next(request.borrow.account)

    def _give_up(self, wid: int) -> None:
        request = self._requests.get(wid)
        if request is not None:
            self._drop(request)
            self._next(request.borrow.account)

    def _drop(self, request: _Request) -> None:
        del self._requests[request.wid]
        queue = self._queues[request.borrow.account]
        queue.remove(request)
        if not queue:
            del self._queues[request.borrow.account]

    def _next(self, account: str) -> None:
        queue = self._queues.get(account)
        if queue and queue[0].phase == 0:
            self._serve(queue[0])

    # ---- region leases -----------------------------------------------------------------------

    def on_renew(self, holder: RegionId, renew: Renew) -> None:
        """A holder renews its region lease; after a restart it tells what it had."""
        now_ms, seat = self._state.clock.now_ms(), renew.seat or self._state.region
        self._state.seats.note(seat, renew.term)
        book = self._book(seat)
        if book is None or not self._meet(book, seat, holder, renew.generation):
            return
        if renew.term not in (0, book.term):
            if renew.for_term != book.term:
                return  # it has not heard of this term: its next renewal brings the claims
            claimed = book.claim(
                holder, renew.request, renew.part, renew.parts, renew.claims, now_ms
            )
            if claimed is Claimed.LATE:
                self._send(holder, Void(renew.generation, seat))
            if claimed is not Claimed.ALL:
                return
        book.renew(holder, now_ms)
        self._send(holder, Leased(renew.generation, book.term, renew.sent_ms, seat))

    def _meet(self, book: GrantBook, seat: RegionId, holder: RegionId, generation: int) -> bool:
        """Whether the generation is alive; answers void to one whose lease has run out here."""
        meeting = book.meet(holder, generation, self._state.clock.now_ms())
        if meeting is Meet.VOID:
            self._send(holder, Void(generation, seat))
        return meeting is Meet.OK
