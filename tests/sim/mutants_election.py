"""Bugs of the election of homes: seats that are taken too early, or left too late."""

from typing import Any

from crdt.book import GrantBook
from crdt.dots import RegionId
from georeg.region.fenced import Fenced
from georeg.region.home import Home
from georeg.region.ports import Locked
from georeg.region.seats import Seats
from georeg.region.succession import BestEffort
from tests.sim.planting import Patch, planted


@planted
def seat_outlived(patch: Patch) -> None:
    """A home goes on lending when the time of its term is over."""

    def acting(self: Seats, seat: RegionId, now_ms: int) -> GrantBook | None:
        term = self.terms.get(seat)
        return None if term is None else term.book

    patch.setattr(Seats, "acting", acting)
    patch.setattr(Fenced, "_leave_if_over", lambda self, seat, claim: None)


@planted
def seat_unlearnt(patch: Patch) -> None:
    """Whoever takes a seat lends at once, while leases of the home before still run."""
    patch.setattr(Seats, "learn_until_ms", lambda self: 0)


@planted
def seat_kept(patch: Patch) -> None:
    """Who has taken a seat keeps it when its own region is back."""
    first = BestEffort._first

    def keeps(self: Any, seat: RegionId) -> RegionId:
        return self._seats.region if seat in self._seats.terms else first(self, seat)

    patch.setattr(BestEffort, "_first", keeps)


@planted
def seat_unlocked(patch: Patch) -> None:
    """A region takes the lock of another one for its own."""
    answered = Fenced._answered

    def takes(self: Any, seat: Any, claim: Any, call: int, sent_ms: int, held: int, got: Locked,
              ) -> None:  # fmt: skip
        if not got.error and not got.number:
            got = Locked(held or self._seats.highest(seat) + 1)
        answered(self, seat, claim, call, sent_ms, held, got)

    patch.setattr(Fenced, "_answered", takes)


@planted
def seat_below(patch: Patch) -> None:
    """A home does not begin above the terms that it hears of: what was lent under them is lost."""
    patch.setattr(Seats, "note", lambda self, seat, term: None)


@planted
def seat_by_another_book(patch: Patch) -> None:
    """A region answers for every seat from the book of its own."""
    patch.setattr(
        Home, "_book", lambda self, seat: self._state.seats.acting(
            self._state.region, self._state.clock.now_ms()
        ),
    )  # fmt: skip
