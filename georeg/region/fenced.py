"""The fenced election: in a seat sits whoever holds its lock in a service outside of all regions.

The lock's number is the term. So at most one region lends and uses the slots of a seat at any
moment, however the world is cut and whatever stands still (P8: L in total):
- a region acts only while its lock surely lasts, by its own clock (crdt/tenure.py): as home it
  lends, renews leases and uses own slots until then, whether the service can be asked or not;
- the next term begins when the service gives the lock away, so after that; and learns, since leases
  of the term before run on for a while;
- a restart takes a new number, above every term that was heard of.

Who tries for the lock: the first region of the seat's order that is not down, or that does not
claim it, since the service is out of its reach; each further one waits a little longer, so that the
first one that can has it. A claim is in the beacon: the region sits there, or it would and reaches
the service. A region that hears an earlier one claim its seat leaves and gives the lock back.

While the service is out of everybody's reach nobody sits: starts that need a slot are decided on
evidence, as when a home is out of reach. Running streams need no home. Nothing is refused for it.

Cost: one call to the service a round for each seat that is held or tried for.
"""

from functools import partial
from typing import Final

from crdt.dots import RegionId
from crdt.tenure import Tenure
from georeg.region.ports import Clock, Locked, Locks
from georeg.region.seats import NOBODY, Seats
from georeg.region.settings import ElectionKind, Settings

GRACE_ROUNDS: Final = 3
"""Each further candidate lets the ones before it try alone for so many rounds."""


class _Claim:
    """One seat, as this region is after it."""

    __slots__ = ("asked_ms", "call", "free_since_ms", "reached_ms", "tenure", "trouble")

    def __init__(self, ttl_ms: int, drift: float) -> None:
        self.tenure = Tenure(ttl_ms, drift)
        self.call = 0
        """Number of the last call to the service; answers to earlier ones come too late."""
        self.asked_ms: int | None = None
        """When the call was made that is not answered yet."""
        self.reached_ms: int | None = None
        """When the last call was made that was answered."""
        self.free_since_ms: int | None = None
        """Since when no region before this one claims the seat."""
        self.trouble = ""


class Fenced:
    """Locks decide."""

    def __init__(self, seats: Seats, settings: Settings, clock: Clock, locks: Locks) -> None:
        self._seats = seats
        self._clock = clock
        self._locks = locks
        self._ttl_ms, self._drift = settings.lock_ttl_ms, settings.drift
        self._grace_ms = GRACE_ROUNDS * settings.beacon_ms
        self._claims: dict[RegionId, _Claim] = {}
        self._is_closed = False
        seats.says = self._says

    @property
    def _owner(self) -> str:
        """One life of one region: what an earlier one held is not this one's."""
        return f"{self._seats.region}:{self._seats.incarnation}"

    def begin(self, learn_until_ms: int) -> None:  # noqa: ARG002 - it always learns
        """A new incarnation holds nothing yet, and always learns: others may have sat here."""
        self._claims.clear()
        self.tick()

    def close(self) -> None:
        """Give back what is held, so that nobody need wait for it."""
        self._is_closed = True
        for seat, claim in sorted(self._claims.items()):
            self._hand_over(seat, claim)

    def tick(self) -> None:
        """Renew what is held, leave what another one should have, try for what is free."""
        if self._is_closed:
            return
        for seat in sorted(self._claims.keys() - {*self._seats.members.regions}):
            self._hand_over(seat, self._claims.pop(seat))
        for seat in self._seats.members.regions:
            self._look(seat)

    def heard(self) -> None:
        """Somebody sits somewhere else, or would: follow at once."""
        for seat, claim in sorted(self._claims.items()):
            self._leave_if_over(seat, claim)
            self._name_home(seat)

    def troubles(self) -> dict[RegionId, str]:
        """Seat -> what keeps this region from it."""
        return {seat: c.trouble for seat, c in sorted(self._claims.items()) if c.trouble}

    def _says(self) -> tuple[tuple[RegionId, int], ...]:
        now_ms, said = self._clock.now_ms(), []
        for seat, claim in sorted(self._claims.items()):
            book = self._seats.acting(seat, now_ms)
            if book is not None:
                said.append((seat, book.term))
            elif claim.free_since_ms is not None and self._is_reached(claim, now_ms):
                said.append((seat, 0))
        return tuple(said)

    def _is_reached(self, claim: _Claim, now_ms: int) -> bool:
        return claim.reached_ms is not None and now_ms - claim.reached_ms < self._ttl_ms

    # ---- one seat ----------------------------------------------------------------------------

    def _look(self, seat: RegionId) -> None:
        now_ms = self._clock.now_ms()
        claim = self._claims.get(seat)
        if claim is None:
            claim = self._claims[seat] = _Claim(self._ttl_ms, self._drift)
        self._leave_if_over(seat, claim)
        before = self._before(seat)
        if before is None:
            self._hand_over(seat, claim)
            claim.free_since_ms, claim.trouble = None, ""
        else:
            if claim.free_since_ms is None:
                claim.free_since_ms = now_ms
            is_waiting = claim.asked_ms is not None and now_ms - claim.asked_ms < self._ttl_ms
            if not is_waiting and now_ms - claim.free_since_ms >= before * self._grace_ms:
                self._ask(seat, claim, now_ms)
        self._name_home(seat)

    def _before(self, seat: RegionId) -> int | None:
        """How many regions that are not down come before this one; None: one of them claims it.

        So does one that has not been heard yet, or that goes by another election.
        """
        seats, count = self._seats, 0
        for region in seats.order(seat):
            if region == seats.region:
                return count
            if not seats.is_down(region):
                if seats.kind_of(region) is not ElectionKind.FENCED or seats.claims(region, seat):
                    return None
                count += 1
        raise AssertionError("this region is in every order")

    def _ask(self, seat: RegionId, claim: _Claim, now_ms: int) -> None:
        claim.call += 1
        claim.asked_ms = now_ms
        number = claim.tenure.number
        then = partial(self._answered, seat, claim, claim.call, now_ms, number)
        if number:
            self._locks.renew(seat, self._owner, number, self._ttl_ms, then)
        else:
            above = self._seats.highest(seat)
            self._locks.acquire(seat, self._owner, self._ttl_ms, above, then)

    def _answered(
        self, seat: RegionId, claim: _Claim, call: int, sent_ms: int, held: int, answer: Locked
    ) -> None:
        """The service has answered; `held`: the number that was to be renewed, 0: acquired."""
        is_late = self._claims.get(seat) is not claim or call != claim.call or self._is_closed
        if is_late:
            if answer.number and not held:
                self._locks.release(seat, self._owner, answer.number)
            return
        claim.asked_ms, claim.trouble = None, answer.error
        if answer.error:
            return
        claim.reached_ms = sent_ms
        if held and answer.number == held == claim.tenure.number:
            claim.tenure.renewed(held, sent_ms)
            term = self._seats.terms.get(seat)
            if term is not None:
                term.until_ms = claim.tenure.until_ms
        elif held:
            self._leave(seat, claim)
        elif answer.number:
            self._take(seat, claim, answer.number, sent_ms)
        self._name_home(seat)

    def _take(self, seat: RegionId, claim: _Claim, number: int, sent_ms: int) -> None:
        """The lock is this region's: sit, if that still makes sense."""
        seats, tenure = self._seats, claim.tenure
        tenure.acquired(number, sent_ms)
        if number <= seats.highest(seat):
            claim.trouble = f"the lock's number {number} is not above {seats.highest(seat)}"
        if claim.trouble or not tenure.runs(self._clock.now_ms()) or self._before(seat) is None:
            self._hand_over(seat, claim)
            return
        seats.sit(seat, number, seats.learn_until_ms(), tenure.until_ms)

    def _leave_if_over(self, seat: RegionId, claim: _Claim) -> None:
        """The lock's time is over, or a later term is known: the lock is somebody else's."""
        number = claim.tenure.number
        is_running = claim.tenure.runs(self._clock.now_ms())
        if number and (not is_running or self._seats.highest(seat) > number):
            self._leave(seat, claim)

    def _leave(self, seat: RegionId, claim: _Claim) -> None:
        self._seats.leave(seat)
        claim.tenure.end()

    def _hand_over(self, seat: RegionId, claim: _Claim) -> None:
        """Leave first, then let the lock go."""
        number = claim.tenure.number
        self._leave(seat, claim)
        if number:
            claim.call += 1  # a renewal that is under way says nothing any more
            claim.asked_ms = None
            self._locks.release(seat, self._owner, number)

    def _name_home(self, seat: RegionId) -> None:
        """Whoever sits there in the highest term and is not down."""
        seats = self._seats
        book = seats.acting(seat, self._clock.now_ms())
        sitting = [(book.term, seats.region)] if book is not None else []
        for peer in seats.members.peers:
            if not seats.is_down(peer):
                term = seats.term_of(seat, peer)
                sitting += [(term, peer)] if term else []
        seats.homes[seat] = max(sitting, default=(0, NOBODY))[1]
