"""A world of one home and its holders, driven event by event against ground truth.

The real GrantHolder and GrantBook, each on a clock of its own that runs up to 2 % wrong; messages
are lost, doubled, late by up to 8 s and out of order; regions are cut off and restart without
memory; the home restarts or another node takes its place. True time is known only here, and here
alone the usable grants of an account are summed up over all regions, after every event.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush

from crdt.book import Claimed, GrantBook, Meet
from crdt.dots import RegionId
from crdt.lease import home_wait_ms
from tests.crdt.escrow_parts import DRIFT, Claim, Clock, Faults, Holder, Home, Rules

LIMIT = 5
REGIONS = 3
ACCOUNTS = ("ann", "bob")
HOME = RegionId(REGIONS + 1)


@dataclass
class World:
    """One run. `worst` is the largest sum of usable grants of an account at any instant."""

    seed: int
    rules: Rules = Rules()
    faults: Faults = Faults()
    worst: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.now_s, self._count, self._quiet = 0.0, 0, False
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._spare_clock = Clock(self.chance)
        self.terms = 1
        first = self.rules.book(self.faults.lease_ms, DRIFT, 1, -1)
        self.homes = [Home(Clock(self.chance), first)]
        self.holders = {
            RegionId(n): Holder(
                RegionId(n), Clock(self.chance), self.rules.holder(self.faults.lease_ms, 1)
            )
            for n in range(1, REGIONS + 1)
        }
        for region in self.holders:
            self.after(self.chance.uniform(0, 1), partial(self.tick, region))
        faults, uniform = self.faults, self.chance.uniform
        for count, fault in (
            (faults.cuts, self.cut),
            (faults.pauses, self.pause),
            (faults.holder_restarts, self.restart_holder),
            (faults.home_restarts, self.restart_home),
            (faults.failovers, self.fail_over),
        ):
            for _ in range(count):
                self.after(uniform(5, faults.until_s - 15), fault)

    # ---- time ---------------------------------------------------------------------------------

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (self.now_s + delay_s, self._count, event))

    def run(self) -> "World":
        """Until the faults end; stops early at the first instant above the limit that it seeks."""
        self._run_to(self.faults.until_s)
        return self

    def heal(self) -> None:
        """All links work, no region asks for anything, all that is unused goes back."""
        self._quiet = True
        for holder in self.holders.values():
            holder.cut_until_s = 0.0
        self._run_to(self.now_s + 3 * self.faults.lease_ms / 1000 + 10)

    def _run_to(self, true_s: float) -> None:
        while self._queue and self._queue[0][0] <= true_s:
            self.now_s, _, event = heappop(self._queue)
            event()
            self.worst = max(self.worst, *(self.usable(account) for account in ACCOUNTS))

    def usable(self, account: str) -> int:
        """Ground truth: what all regions together might fill at this instant."""
        held = sum(
            holder.grants.usable(HOME, account, holder.clock.ms(self.now_s))
            for holder in self.holders.values()
        )
        return held + sum(self.home_usable(home, account) for home in self.homes)

    def home_usable(self, home: Home, account: str) -> int:
        """The home uses all that it has not lent."""
        now_ms = home.clock.ms(self.now_s)
        if home.ended or home.book.is_learning(now_ms):
            return 0
        return max(0, LIMIT - sum(home.book.valid(account, now_ms).values()))

    # ---- faults -------------------------------------------------------------------------------

    def cut(self) -> None:
        holder = self.chance.choice(list(self.holders.values()))
        holder.cut_until_s = self.now_s + self.chance.uniform(3, 30)

    def pause(self) -> None:
        holder = self.chance.choice(list(self.holders.values()))
        holder.paused_until_s = self.now_s + self.chance.uniform(1, 9)

    def restart_holder(self) -> None:
        holder = self.chance.choice(list(self.holders.values()))
        holder.incarnation += 1
        holder.grants = self.rules.holder(self.faults.lease_ms, holder.incarnation)

    def restart_home(self) -> None:
        """The newest home loses its book; its clock runs on."""
        self.homes[0].book = self.new_book(self.homes[0].clock)

    def fail_over(self) -> None:
        """Another node becomes home; fenced: the old one's term has ended before."""
        self.homes[0].ended = self.rules.fenced
        self.homes.insert(0, Home(self._spare_clock, self.new_book(self._spare_clock)))

    def new_book(self, clock: Clock) -> GrantBook:
        self.terms += 1
        learn_until_ms = clock.ms(self.now_s) + home_wait_ms(self.faults.lease_ms, DRIFT)
        return self.rules.book(self.faults.lease_ms, DRIFT, self.terms, learn_until_ms)

    # ---- links --------------------------------------------------------------------------------

    def send(self, holder: Holder, message: Callable[[], None]) -> None:
        """Carry a message between the holder and a home, in either direction."""
        faults, chance = self.faults, self.chance
        if self._quiet:
            return self.after(chance.expovariate(10), message)
        cut = self.now_s < holder.cut_until_s
        if chance.random() < (1 - faults.leak if cut else faults.loss):
            return None
        for _ in range(2 if chance.random() < faults.doubled else 1):
            late = cut or chance.random() < faults.late
            self.after(chance.uniform(0, 8) if late else chance.expovariate(10), message)
        return None

    def to_home(self, holder: Holder, handle: Callable[[Home], None]) -> None:
        """To the node that this region takes for the home: any that still acts as one."""
        acting = [home for home in self.homes if not home.ended]
        home = self.chance.choice(acting)
        self.send(holder, lambda: None if home.ended else handle(home))

    # ---- a region as holder -------------------------------------------------------------------

    def tick(self, region: RegionId) -> None:
        """Renew the lease; now and then borrow or give back. A busy region looks late at times."""
        holder, chance = self.holders[region], self.chance
        self.after(chance.uniform(0.5, 1.5), partial(self.tick, region))
        now_ms, grants = holder.clock.ms(self.now_s), holder.grants
        if not self._quiet and (self.now_s < holder.paused_until_s or chance.random() < 0.3):
            return
        if grants.expire(HOME, now_ms):
            self.seen["lease ran out"] += 1
        if chance.random() < 0.7:
            holder.known_term = self.homes[0].book.term
        generation, term = grants.generation(HOME), grants.term(HOME)
        if term in (0, holder.known_term):
            self.to_home(holder, lambda home: self.on_renew(home, region, generation, now_ms, term))
        else:
            self.claim(holder, generation, now_ms)
        account = chance.choice(ACCOUNTS)
        if self._quiet:
            for account in ACCOUNTS:
                self.give_back(holder, account, LIMIT, 0)
        elif chance.random() < 0.5:
            self.borrow(holder, account)
        elif chance.random() < 0.3:
            self.give_back(holder, account, chance.randint(0, LIMIT), 0)

    def claim(self, holder: Holder, generation: int, now_ms: int) -> None:
        """Each account in a message of its own, which may be lost alone."""
        region, (request, claims) = holder.region, holder.grants.claims(HOME)
        for part, claim in enumerate(claims):
            message = Claim(region, request, part, len(claims), (claim,))
            self.to_home(
                holder,
                partial(self.on_claims, claim=message, generation=generation, sent_ms=now_ms),
            )

    def borrow(self, holder: Holder, account: str) -> None:
        now_ms = holder.clock.ms(self.now_s)
        request = holder.grants.request(HOME, account, now_ms)
        generation, want = holder.grants.generation(HOME), self.chance.randint(0, LIMIT)
        borrower = holder.region
        self.to_home(
            holder,
            lambda home: self.on_borrow(home, borrower, account, request, generation, now_ms, want),
        )

    def give_back(self, holder: Holder, account: str, at_most: int, in_use: int) -> None:
        now_ms, region = holder.clock.ms(self.now_s), holder.region
        request, has = holder.grants.give_back(HOME, account, at_most, in_use, now_ms)
        generation = holder.grants.generation(HOME)
        self.to_home(
            holder,
            lambda home: self.on_returned(home, region, account, request, generation, has),
        )

    def on_slot(
        self, region: RegionId, account: str, request: int, generation: int, term: int,
        sent_ms: int, amount: int,
    ) -> None:  # fmt: skip
        holder = self.holders[region]
        accepted = holder.grants.accept_slot(
            HOME, account, request, generation, term, sent_ms, amount,
            holder.clock.ms(self.now_s),
        )  # fmt: skip
        self.seen["slot accepted" if accepted else "slot refused"] += 1

    def on_leased(self, region: RegionId, generation: int, term: int, sent_ms: int) -> None:
        holder = self.holders[region]
        before = holder.grants.term(HOME)
        now_ms = holder.clock.ms(self.now_s)
        accepted = holder.grants.leased(HOME, generation, term, sent_ms, now_ms)
        if accepted and before not in (0, term):
            self.seen["claims confirmed"] += 1
        self.seen["leased" if accepted else "lease refused"] += 1

    def on_void(self, region: RegionId, generation: int) -> None:
        if self.holders[region].grants.voided(HOME, generation):
            self.seen["voided"] += 1

    def on_recall(self, region: RegionId, account: str, need: int) -> None:
        self.give_back(self.holders[region], account, need, self.chance.randint(0, 2))

    # ---- the home -----------------------------------------------------------------------------

    def met(self, home: Home, region: RegionId, generation: int) -> bool:
        meet = home.book.meet(region, generation, home.clock.ms(self.now_s))
        self.seen[f"met {meet.value}"] += 1
        if meet is Meet.VOID:
            self.send(self.holders[region], lambda: self.on_void(region, generation))
        return meet is Meet.OK

    def on_renew(
        self, home: Home, region: RegionId, generation: int, sent_ms: int, term: int
    ) -> None:
        if self.met(home, region, generation) and term in (0, home.book.term):
            self.renew(home, region, generation, sent_ms)

    def on_claims(self, home: Home, claim: Claim, generation: int, sent_ms: int) -> None:
        region, now_ms = claim.region, home.clock.ms(self.now_s)
        if not self.met(home, region, generation):
            return
        claimed = home.book.claim(*claim, now_ms)
        self.seen[f"claimed {claimed.value}"] += 1
        if claimed is Claimed.ALL:
            self.renew(home, region, generation, sent_ms)
        elif claimed is Claimed.LATE:
            self.send(self.holders[region], lambda: self.on_void(region, generation))

    def renew(self, home: Home, region: RegionId, generation: int, sent_ms: int) -> None:
        home.book.renew(region, home.clock.ms(self.now_s))
        term = home.book.term
        self.send(self.holders[region], lambda: self.on_leased(region, generation, term, sent_ms))

    def on_borrow(
        self, home: Home, region: RegionId, account: str, request: int, generation: int,
        sent_ms: int, want: int,
    ) -> None:  # fmt: skip
        if not self.met(home, region, generation):
            return
        book, now_ms = home.book, home.clock.ms(self.now_s)
        if not book.is_latest(account, region, request):
            self.seen["request passed"] += 1
            return
        book.renew(region, now_ms)
        if book.is_learning(now_ms):
            return
        valid = book.valid(account, now_ms)
        free = LIMIT - sum(amount for other, amount in valid.items() if other != region)
        amount = max(0, min(want, free))
        amount = min(amount, book.grant(account, region, amount, now_ms))
        term = book.term
        self.send(
            self.holders[region],
            lambda: self.on_slot(region, account, request, generation, term, sent_ms, amount),
        )
        if want > free or self.chance.random() < 0.1:
            for other in valid:
                self.send(self.holders[other], partial(self.on_recall, other, account, want))

    def on_returned(
        self, home: Home, region: RegionId, account: str, request: int, generation: int, has: int
    ) -> None:
        if self.met(home, region, generation):
            now_ms = home.clock.ms(self.now_s)
            taken = home.book.returned(account, region, request, has, now_ms)
            self.seen["returned" if taken else "request passed"] += 1
