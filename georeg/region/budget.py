"""A region's budget: the slots that it holds of every home, and what it may use of them.

Usable without asking: at a foreign home the grant, while the region lease lasts; at the own home
all slots but those that others hold or use. Consumption is no counter: it is the region's own live
sessions. `own` beyond `usable` is the overdraft, derived each time and never stored.
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
from georeg.region.seen import Seen, devices
from georeg.region.state import RegionState

HINTS_SENT_MAX: Final = 32


class Budget:
    """The holder's side of every lease, and the own slots of the region as home."""

    def __init__(
        self,
        state: RegionState,
        send: Callable[[RegionId, Message], None],
    ) -> None:
        self._state = state
        self._send = send
        self.leaving: set[str] = set()
        """Accounts whose home this region gives to another one: from before it is on disk."""
        self.begin(incarnation=1, learn_until_ms=0)

    def begin(self, incarnation: int, learn_until_ms: int) -> None:
        """Begin empty, with an incarnation: nothing that was leased before counts any more."""
        settings = self._state.settings
        lease_ms = settings.grant_lease_ms
        self.holder = GrantHolder(lease_ms, incarnation)
        self.book = GrantBook(lease_ms, settings.drift, incarnation, learn_until_ms)

    def usable(self, account: str) -> int:
        """Slots of the account that this region may use now without asking."""
        state = self._state
        home, now_ms = state.home_of(account), state.clock.now_ms()
        if self.is_moving(account):
            return 0
        if home != state.region:
            return self.holder.usable(home, account, now_ms)
        if self.book.is_learning(now_ms):
            return 0
        return state.limit_of(account) - sum(self.taken(account, state.live(account)).values())

    def is_moving(self, account: str) -> bool:
        """Whether regions may differ about who is home, since the cluster changes (members.py) or
        the home is being given away (moves.py): then no slot is used or lent.
        """
        if account in self.leaving:
            return True
        return not self._state.members.are_agreed and self._state.is_home_open(account)

    def taken(self, account: str, live: list[Entry]) -> dict[RegionId, int]:
        """At the home: what other regions hold or use, per region the larger one."""
        state = self._state
        taken = dict(self.book.valid(account, state.clock.now_ms()))
        for region in {e.region for e in live} - {state.region}:
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

    def next_request(self, home: RegionId, account: str) -> tuple[int, int]:
        """Number and generation for a request; earlier requests' answers no longer count."""
        now_ms = self._state.clock.now_ms()
        if home == self._state.region:
            return 0, 0
        self.holder.expire(home, now_ms)
        return self.holder.request(home, account, now_ms), self.holder.generation(home)

    def accept(self, home: RegionId, slot: Slot) -> bool:
        """Take what the home grants, unless the answer is not to the latest request."""
        return self.holder.accept_slot(
            home,
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
        in_use = state.own_count(account)
        self._give_back(home, account, message.wid, message.need, in_use)

    def on_moved(self, account: str) -> None:
        """A session has moved away: its slot goes back to the home, with the dot it moved to.

        Without a slot the dot goes alone: else the home may see the release before the adoption,
        and lend for the moment between.
        """
        home, now_ms = self._state.home_of(account), self._state.clock.now_ms()
        if home == self._state.region:
            return
        if self.holder.usable(home, account, now_ms):
            self._give_back(home, account, 0, 1, 0)
        else:
            self._tell(home, account, wid=0, request=0, has=0)

    def hand_back(self, home: RegionId, account: str) -> None:
        """Give back unasked what no own session of the account uses."""
        in_use = self._state.own_count(account)
        if self.holder.usable(home, account, self._state.clock.now_ms()) > in_use:
            self._give_back(home, account, 0, AMOUNT_MAX, in_use)

    def hand_back_all(self, home: RegionId, account: str) -> None:
        """Give back unasked all that is held: this region is home now, and needs no grant."""
        if self.holder.usable(home, account, self._state.clock.now_ms()):
            self._give_back(home, account, 0, AMOUNT_MAX, 0)

    def _give_back(self, home: RegionId, account: str, wid: int, at_most: int, in_use: int) -> None:
        now_ms = self._state.clock.now_ms()
        self.holder.expire(home, now_ms)
        request, has = self.holder.give_back(home, account, at_most, in_use, now_ms)
        self._tell(home, account, wid, request, has)

    def _tell(self, home: RegionId, account: str, wid: int, request: int, has: int) -> None:
        """Say what is left here and who lives where; request 0 gives nothing back."""
        state = self._state
        elsewhere = tuple(e for e in state.live(account) if e.region != state.region)
        self._send(
            home,
            Recalled(
                account, wid, request, self.holder.generation(home), has,
                tuple(self.vouch(account)[:LIST_MAX]), elsewhere[:HINTS_SENT_MAX],
            ),
        )  # fmt: skip

    # ---- region leases -----------------------------------------------------------------------

    def renew(self) -> None:
        """Once a beacon round: renew the lease with every home, void those that ran out."""
        now_ms = self._state.clock.now_ms()
        for home in self._state.peers:
            self.holder.expire(home, now_ms)
            term = self.holder.term(home)
            for_term = self._state.incarnations.get(home, 0)
            request, claims = 0, list[tuple[str, int]]()
            if term and term != for_term:
                request, claims = self.holder.claims(home)  # a new term has lost the old book
            pieces = [claims[i : i + CLAIMS_MAX] for i in range(0, len(claims), CLAIMS_MAX)] or [[]]
            generation = self.holder.generation(home)
            for part, piece in enumerate(pieces):
                self._send(
                    home,
                    Renew(
                        generation, now_ms, term, for_term, request, part, len(pieces),
                        tuple(piece),
                    ),
                )  # fmt: skip

    def on_leased(self, home: RegionId, message: Leased) -> None:
        """The home renewed the lease; it counts from when the request was sent."""
        now_ms = self._state.clock.now_ms()
        self.holder.leased(home, message.generation, message.term, message.sent_ms, now_ms)

    def on_void(self, home: RegionId, message: Void) -> None:
        """The home says that this generation is dead."""
        self.holder.voided(home, message.generation)

    def take_voided(self, count: int) -> list[str]:
        """Up to `count` accounts whose grants have ended with their region lease."""
        return self.holder.take_voided(count)

    def held(self) -> int:
        """Slots held of all foreign homes."""
        return sum(self.holder.held(home) for home in self._state.peers)
