"""A region's budget: the slots that it holds of every seat, and what it may use of them.

Usable without asking: where another region is home the grant, while the region lease lasts; as home
itself all slots but those that others hold or use. Consumption is no counter: it is the region's
own live sessions. `own` beyond `usable` is the overdraft, derived each time and never stored.
"""

from collections.abc import Callable
from typing import Final

from crdt.book import GrantBook
from crdt.dots import RegionId
from crdt.events import ActorKind, Entry, Reason
from crdt.holder import GrantHolder
from georeg.region.decisions import Kind
from georeg.region.messages import (
    AMOUNT_MAX,
    CLAIMS_MAX,
    LIST_MAX,
    Leased,
    Message,
    Recall,
    Recalled,
    Renew,
    Slot,
    Void,
)  # fmt: skip
from georeg.region.seats import NOBODY
from georeg.region.seen import Seen, devices
from georeg.region.settings import ElectionKind
from georeg.region.state import RegionState
from georeg.region.succession import Succession

HINTS_SENT_MAX: Final = 32


class Budget:
    """The holder's side of every lease, and the own slots of the region as home."""

    def __init__(
        self,
        state: RegionState,
        succession: Succession,
        send: Callable[[RegionId, Message], None],
    ) -> None:
        self._state = state
        self._seats = state.seats
        self._send = send
        self.leaving: set[str] = set()
        """Accounts whose home this region gives to another one: from before it is on disk."""
        self.succession = succession
        self.holder = GrantHolder(state.settings.grant_lease_ms, incarnation=1)

    def begin(self, incarnation: int, learn_until_ms: int) -> None:
        """Begin empty, with an incarnation: nothing that was leased before counts any more."""
        self.holder = GrantHolder(self._state.settings.grant_lease_ms, incarnation)
        self._seats.begin(incarnation)
        self.succession.begin(learn_until_ms)

    def usable(self, account: str, live: list[Entry] | None = None) -> int:
        """Slots of the account that this region may use now without asking.

        `live`: its live sessions, where the caller has just looked them up.
        """
        state = self._state
        seat, now_ms = state.seat_of(account), state.clock.now_ms()
        if self.is_moving(account):
            return 0
        book = self._seats.acting(seat, now_ms)
        if book is None or book.is_learning(now_ms):
            # Also in a seat that was taken lately: what the home before had lent, it learns of.
            return self.holder.usable(seat, account, now_ms)
        taken = self.taken(book, account, state.live(account) if live is None else live)
        return state.limit_of(account) - sum(taken.values())

    def is_moving(self, account: str) -> bool:
        """Whether regions may differ about who is home, since the cluster changes (members.py) or
        the home is being given away (moves.py): then no slot is used or lent.
        """
        if account in self.leaving:
            return True
        return not self._state.members.are_agreed and self._state.is_home_open(account)

    def taken(self, book: GrantBook, account: str, live: list[Entry]) -> dict[RegionId, int]:
        """At the home: what other regions hold or use, per region the larger one."""
        state = self._state
        taken = book.valid(account, state.clock.now_ms())
        for region in {e.region for e in live} - {state.region} if live else ():
            used = devices(e for e in live if e.region == region)
            taken[region] = max(used, taken.get(region, 0))
        taken.pop(state.region, None)
        return taken

    def vouch(self, account: str) -> list[Seen]:
        """The own live sessions; covered once, they are settled for good."""
        own = self._state.own(account)
        if own and not all(s.settled for s in own) and len(own) <= self.usable(account):
            sessions = self._state.shard(account).sessions
            for seen in own:
                sessions.settle(sessions.own_row(account, seen.session))
                if not seen.settled:
                    self._state.decisions.held(Kind.COVERED, seen.entry)
            own = [seen._replace(settled=True) for seen in own]
        return own

    # ---- asking the home ---------------------------------------------------------------------

    def next_request(self, seat: RegionId, account: str) -> tuple[int, int]:
        """Number and generation for a request; earlier requests' answers no longer count."""
        now_ms = self._state.clock.now_ms()
        if self._seats.home(seat) == self._state.region:
            return 0, 0
        self.holder.expire(seat, now_ms)
        return self.holder.request(seat, account, now_ms), self.holder.generation(seat)

    def accept(self, home: RegionId, slot: Slot) -> bool:
        """Take what the home grants, unless the answer is not to the latest request."""
        return self.holder.accept_slot(
            slot.seat or home,
            slot.account,
            slot.request,
            slot.generation,
            slot.term,
            slot.sent_ms,
            slot.amount,
            self._state.clock.now_ms(),
        )

    # ---- giving back -------------------------------------------------------------------------

    def on_recall(self, home: RegionId, message: Recall) -> None:
        """The home asks: end what should yield, give back what is unused, say who lives here."""
        state, account = self._state, message.account
        take = dict(message.take)
        for seen in state.own(account):
            reason = take.get(seen.session)
            if reason is not None and reason != Reason.DISPLACED:
                state.kick(seen.entry, Reason(reason), ActorKind.DEVICE, message.device_name)
            elif reason is not None and seen.yields:
                state.release(seen.entry, Reason.DISPLACED, at_once=True)
        in_use, seat = state.own_count(account), message.seat or home
        self._give_back(home, seat, account, message.wid, message.need, in_use)

    def on_moved(self, account: str) -> None:
        """A session has moved away: its slot goes back to the home, with the dot it moved to.

        Without a slot the dot goes alone: else the home may see the release before the adoption,
        and lend for the moment between.
        """
        state = self._state
        seat, home = state.seat_of(account), state.home_of(account)
        if home in (state.region, NOBODY):
            return
        if self.holder.usable(seat, account, state.clock.now_ms()):
            self._give_back(home, seat, account, 0, 1, 0)
        else:
            self._tell(home, seat, account, wid=0, request=0, has=0)

    def hand_back(self, seat: RegionId, account: str) -> None:
        """Give back unasked what no own session of the account uses."""
        in_use, home = self._state.own_count(account), self._seats.home(seat)
        if home in (self._state.region, NOBODY):
            return  # nobody to tell: it is void with its lease
        if self.holder.usable(seat, account, self._state.clock.now_ms()) > in_use:
            self._give_back(home, seat, account, 0, AMOUNT_MAX, in_use)

    def hand_back_all(self, seat: RegionId, account: str) -> None:
        """Give back unasked all that is held: this region is home now, and needs no grant."""
        home = self._seats.home(seat)
        if home not in (self._state.region, NOBODY) and self.holder.usable(
            seat, account, self._state.clock.now_ms()
        ):
            self._give_back(home, seat, account, 0, AMOUNT_MAX, 0)

    def _give_back(
        self, home: RegionId, seat: RegionId, account: str, wid: int, at_most: int, in_use: int
    ) -> None:
        now_ms = self._state.clock.now_ms()
        self.holder.expire(seat, now_ms)
        request, has = self.holder.give_back(seat, account, at_most, in_use, now_ms)
        self._tell(home, seat, account, wid, request, has)

    def _tell(
        self, home: RegionId, seat: RegionId, account: str, wid: int, request: int, has: int
    ) -> None:
        """Say what is left here and who lives where; request 0 gives nothing back."""
        state = self._state
        elsewhere = tuple(e for e in state.live(account) if e.region != state.region)
        self._send(
            home,
            Recalled(
                account, wid, request, self.holder.generation(seat), has,
                tuple(self.vouch(account)[:LIST_MAX]), elsewhere[:HINTS_SENT_MAX], seat,
            ),
        )  # fmt: skip

    # ---- region leases -----------------------------------------------------------------------

    def renew(self) -> None:
        """Once a beacon round: renew the lease with every home, void those that ran out."""
        now_ms = self._state.clock.now_ms()
        for seat in self.seats():
            self.holder.expire(seat, now_ms)
            home = self._seats.home(seat)
            if home in (self._state.region, NOBODY):
                continue
            term, for_term = self.holder.term(seat), self._seats.term_of(seat, home)
            request, claims = 0, list[tuple[str, int]]()
            if term and term != for_term:
                request, claims = self.holder.claims(seat)  # a new term has lost the old book
            pieces = [claims[i : i + CLAIMS_MAX] for i in range(0, len(claims), CLAIMS_MAX)] or [[]]
            generation = self.holder.generation(seat)
            for part, piece in enumerate(pieces):
                self._send(
                    home,
                    Renew(
                        generation, now_ms, term, for_term, request, part, len(pieces),
                        tuple(piece), seat,
                    ),
                )  # fmt: skip

    def on_leased(self, home: RegionId, message: Leased) -> None:
        """The home renewed the lease; it counts from when the request was sent."""
        now_ms = self._state.clock.now_ms()
        seat = message.seat or home
        self.holder.leased(seat, message.generation, message.term, message.sent_ms, now_ms)

    def on_void(self, home: RegionId, message: Void) -> None:
        """The home says that this generation is dead."""
        self.holder.voided(message.seat or home, message.generation)

    def take_voided(self, count: int) -> list[str]:
        """Up to `count` accounts whose grants have ended with their region lease."""
        return self.holder.take_voided(count)

    def seats(self) -> list[RegionId]:
        """Seats of which this region may hold something: all but those in which it sits for good.
        """
        own, static = self._state.region, self._seats.kind is ElectionKind.STATIC
        return [seat for seat in self._state.members.regions if seat != own or not static]

    def held(self) -> int:
        """Slots held of all foreign homes."""
        return sum(self.holder.held(seat) for seat in self.seats())

    def lent(self) -> int:
        """Slots lent out, in all seats in which this region sits."""
        return sum(term.book.lent for term in self._seats.terms.values())
