"""Who takes a seat: the election, by the static rule and by best effort. Fenced: fenced.py.

Static: every region sits in its own seat, always, in the term of its incarnation. While it is out
of reach nobody lends its slots, and starts are decided on evidence.

Best effort: in each seat sits the first region of its order that is not down as seen from here.
Nobody is asked, so it needs nothing but the beacons; but where a cut lets regions differ about who
is down, each part has a home of its own and lends L (P8: P x L while the world is cut into P).
What keeps it to L without a cut:
- whoever takes a seat learns first, so that the leases of before have run out or are claimed;
- a region that stood still for so long that others took it for down acts for none of its seats when
  it goes on: its time (`until_ms`) is counted from its own last round, and is shorter than theirs;
- its own region takes a seat back as soon as it is heard again: whoever sat there leaves at that
  moment, a full wait before the other has learnt.
After a cut the highest term wins: the others begin above it or leave, and what they lent is void at
its next renewal.
"""

from typing import Protocol

from crdt.dots import RegionId
from crdt.lease import owner_wait_ms
from georeg.region.fenced import Fenced
from georeg.region.ports import Clock, Locks
from georeg.region.seats import FOREVER_MS, Seats
from georeg.region.settings import ElectionKind, Settings


class Succession(Protocol):
    """Decides in which seats this region sits, and whom it takes for the home elsewhere."""

    def begin(self, learn_until_ms: int) -> None:
        """A new incarnation. `learn_until_ms`: of the own seat, where nobody else can have sat."""

    def tick(self) -> None:
        """Once a beacon round, before the beacons go."""

    def heard(self) -> None:
        """A peer says something new of the seats."""

    def close(self) -> None:
        """This process ends."""

    def troubles(self) -> dict[RegionId, str]:
        """Seat -> what keeps this region from it, though it is its turn, in words."""


def succession_of(
    seats: Seats, settings: Settings, clock: Clock, locks: Locks | None
) -> Succession:
    """The one that the settings name; `locks` are needed for the fenced one only."""
    match settings.election:
        case ElectionKind.STATIC:
            return Static(seats)
        case ElectionKind.BEST_EFFORT:
            return BestEffort(seats, settings, clock)
        case ElectionKind.FENCED:
            assert locks is not None, "a fenced election needs a lock service"
            return Fenced(seats, settings, clock, locks)


class Static:
    """Each region in its own seat."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats

    def begin(self, learn_until_ms: int) -> None:
        """Sit in the own seat for good."""
        seats = self._seats
        seats.sit(seats.region, seats.incarnation, learn_until_ms, FOREVER_MS)

    def tick(self) -> None:
        """Nothing changes."""

    def heard(self) -> None:
        """Nothing follows from it."""

    def close(self) -> None:
        """Nothing is held elsewhere."""

    def troubles(self) -> dict[RegionId, str]:
        """There are none."""
        return {}


class BestEffort:
    """In each seat the first region of its order that is not down."""

    def __init__(self, seats: Seats, settings: Settings, clock: Clock) -> None:
        self._seats = seats
        self._clock = clock
        self._stay_ms = owner_wait_ms(settings.region_down_ms, settings.drift)
        seats.says = self._says

    def begin(self, learn_until_ms: int) -> None:  # noqa: ARG002 - it always learns
        """Whoever sat in the own seat meanwhile leaves when it hears of this region."""
        self.tick()

    def tick(self) -> None:
        """Sit where it is this region's turn, and stay there until long after the next round."""
        self._look()
        until_ms = self._clock.now_ms() + self._stay_ms
        for term in self._seats.terms.values():
            term.until_ms = until_ms

    def heard(self) -> None:
        """Who was down is there again, or has begun above an own term: look at once."""
        if self._seats.incarnation:
            self._look()

    def close(self) -> None:
        """Nothing is held elsewhere."""

    def troubles(self) -> dict[RegionId, str]:
        """There are none."""
        return {}

    def _says(self) -> tuple[tuple[RegionId, int], ...]:
        return tuple((seat, term.book.term) for seat, term in sorted(self._seats.terms.items()))

    def _look(self) -> None:
        """Name the home of every seat; begin a term where it is this region's turn."""
        seats = self._seats
        for seat in seats.members.regions:
            home = seats.homes[seat] = self._first(seat)
            if home == seats.region:
                self._sit(seat)
            else:
                seats.leave(seat)

    def _first(self, seat: RegionId) -> RegionId:
        """The first that is not down; one that goes by another election has its own seat only."""
        seats = self._seats
        for region in seats.order(seat):
            if region == seats.region:
                return region
            is_candidate = region == seat or seats.kind_of(region) is ElectionKind.BEST_EFFORT
            if is_candidate and not seats.is_down(region):
                return region
        raise AssertionError("this region is in every order")

    def _sit(self, seat: RegionId) -> None:
        """Begin a term, unless one is running that is the highest."""
        seats, now_ms = self._seats, self._clock.now_ms()
        term = seats.terms.get(seat)
        if term is None or now_ms >= term.until_ms or seats.highest(seat) > term.book.term:
            until_ms = now_ms + self._stay_ms
            seats.sit(seat, seats.next_term(seat), seats.learn_until_ms(), until_ms)
