"""Who sits in which seat, as one region sees it, and the books of the seats in which it sits.

An account's *seat* is named by a fixed rule, the number of a region (election.py); whoever *sits*
in it is the home of its accounts. Mostly that is the region itself; another one when it is down and
the election (succession.py) lets seats pass on. A region sits in terms: each begins with an empty
book, and but for the very first one of a cluster the region learns for a full wait before it lends
(rule 5, crdt/book.py). Terms of one seat are ordered, the highest wins: whoever hears of a higher
one than its own begins anew above it, or leaves.

Invariant: slots are lent and used as home only from the book of `acting`, which is none once the
term's time is over on this region's own clock. Regions say in their beacons where they sit; what
they said counts until they say something else, and not while they are down.

Cost: a dictionary lookup for each question; nothing is looked for while all sit in their own seats.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Final

from crdt.book import GrantBook
from crdt.dots import INCARNATION_BITS, REGION_MAX, RegionId
from crdt.lease import home_wait_ms
from crdt.liveness import RegionState as Liveness
from crdt.liveness import RegionTable
from georeg.region.members import Members
from georeg.region.messages import TERM_MAX
from georeg.region.ports import Clock
from georeg.region.report import SeatReport
from georeg.region.settings import ElectionKind, Settings

NOBODY: Final = RegionId(0)
FOREVER_MS: Final = 1 << 62
_ROUND_BITS: Final = INCARNATION_BITS + REGION_MAX.bit_length()


class Term:
    """One term of this region in one seat."""

    __slots__ = ("book", "until_ms")

    def __init__(self, book: GrantBook, until_ms: int) -> None:
        self.book = book
        self.until_ms = until_ms
        """Until when it may act, on the own clock."""


class Seats:
    """All seats of the cluster. Its succession decides who sits, and tells by `sit` and `leave`."""

    def __init__(
        self,
        region: RegionId,
        members: Members,
        regions: RegionTable,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self.region = region
        self.members = members
        self.kind = settings.election
        self.incarnation = 0
        self.incarnations: dict[RegionId, int] = {}
        """Of the peers, as their beacons say: the term in which a region sits by the static rule.
        """
        self.terms: dict[RegionId, Term] = {}
        """Of this region, by seat."""
        self.homes: dict[RegionId, RegionId] = {}
        """Seats that are not filled by their own region -> who sits there, or NOBODY."""
        self.says: Callable[[], tuple[tuple[RegionId, int], ...]] = lambda: ()
        """Set by the region: what its beacons say of its seats."""
        self._regions = regions
        self._clock = clock
        self._lease_ms, self._drift = settings.grant_lease_ms, settings.drift
        self._said: dict[RegionId, dict[RegionId, int]] = {}
        self._kinds: dict[RegionId, ElectionKind] = {}
        self._highest: dict[RegionId, int] = {}

    # ---- who sits ----------------------------------------------------------------------------

    def home(self, seat: RegionId) -> RegionId:
        """Who sits there, as far as is known here; NOBODY: nobody does."""
        return self.homes.get(seat, seat)

    def acting(self, seat: RegionId, now_ms: int) -> GrantBook | None:
        """The book of a seat in which this region may act now; None: it is not the home."""
        term = self.terms.get(seat)
        return term.book if term is not None and now_ms < term.until_ms else None

    def term_of(self, seat: RegionId, home: RegionId) -> int:
        """The term in which a peer sits there, as it has said; 0: it has said nothing."""
        if home == seat and self.kind_of(home) is ElectionKind.STATIC:
            return self.incarnations.get(home, 0)
        return self._said.get(home, {}).get(seat, 0)

    def order(self, seat: RegionId) -> list[RegionId]:
        """In which order regions take the seat: its own one, then by rendezvous."""
        others = [region for region in self.members.regions if region != seat]
        text = bytes([seat])
        others.sort(key=lambda r: blake2b(text, digest_size=8, salt=bytes([r])).digest())
        return [seat, *others]

    # ---- terms of this region ----------------------------------------------------------------

    def begin(self, incarnation: int) -> None:
        """A new incarnation sits nowhere yet."""
        self.incarnation = incarnation
        self.terms.clear()

    def sit(self, seat: RegionId, term: int, learn_until_ms: int, until_ms: int) -> None:
        """Begin a term with an empty book. `learn_until_ms`: see `GrantBook`."""
        book = GrantBook(self._lease_ms, self._drift, term, learn_until_ms)
        self.terms[seat] = Term(book, until_ms)
        self.note(seat, term)

    def learn_until_ms(self) -> int:
        """Until when whoever takes a seat now learns."""
        return self._clock.now_ms() + home_wait_ms(self._lease_ms, self._drift)

    def leave(self, seat: RegionId) -> None:
        """Lend no more, use none of the seat's slots as home; harmless where it does not sit."""
        self.terms.pop(seat, None)

    def next_term(self, seat: RegionId) -> int:
        """A term above all that are known of the seat, which no other region or life ever takes.

        A round, then the region and its incarnation, in which no round comes twice.
        """
        rounds = min((self.highest(seat) >> _ROUND_BITS) + 1, TERM_MAX >> _ROUND_BITS)
        return rounds << _ROUND_BITS | self.region << INCARNATION_BITS | self.incarnation

    def highest(self, seat: RegionId) -> int:
        """The highest term of the seat that was ever heard of, the own ones included."""
        return self._highest.get(seat, 0)

    def note(self, seat: RegionId, term: int) -> None:
        """A term was heard of."""
        self._highest[seat] = max(self.highest(seat), term)

    # ---- what others say ---------------------------------------------------------------------

    def heard(
        self, peer: RegionId, kind: ElectionKind, said: Iterable[tuple[RegionId, int]]
    ) -> bool:
        """A peer's beacon says by which election it goes and where it sits (0: where it would).

        True: it is something new.
        """
        now = dict(said)
        if self._said.get(peer) == now and self._kinds.get(peer) is kind:
            return False
        self._said[peer], self._kinds[peer] = now, kind
        for seat, term in now.items():
            self.note(seat, term)
        return True

    def claims(self, peer: RegionId, seat: RegionId) -> bool:
        """Whether a peer says that it sits there, or would."""
        return seat in self._said.get(peer, {})

    def kind_of(self, peer: RegionId) -> ElectionKind | None:
        """By which election a peer goes; None: it has not been heard."""
        return self._kinds.get(peer)

    def is_down(self, peer: RegionId) -> bool:
        """Whether a peer is down as seen from here."""
        return self._regions.state(peer, self._clock.now_ms()) is Liveness.DOWN

    def report(self, troubles: Mapping[RegionId, str]) -> tuple[SeatReport, ...]:
        """Every seat for operators; `troubles`: what keeps this region from some of them."""
        now_ms, told = self._clock.now_ms(), []
        for seat in self.members.regions:
            home, book = self.home(seat), self.acting(seat, now_ms)
            if home != self.region:
                book = None
            term = self.term_of(seat, home) if book is None else book.term
            learning_ms = 0 if book is None else max(0, book.learn_until_ms - now_ms)
            told.append(SeatReport(seat, home, term, learning_ms, troubles.get(seat, "")))
        return tuple(told)

    def set_peers(self) -> None:
        """The cluster has grown or shrunk."""
        gone = self.incarnations.keys() | self._said.keys()
        for peer in sorted(gone - {*self.members.peers}):
            for known in (self.incarnations, self._said, self._kinds):
                known.pop(peer, None)
        for seat in sorted({*self.terms, *self.homes} - {*self.members.regions}):
            self.leave(seat)
            self.homes.pop(seat, None)
