"""P8 in a hostile world: usable grants of an account never exceed its limit, at any instant.

Each lease rule (book.py) is broken here in turn, and the fuzz must notice. What it meets
only once in thousands of seeds has a test of its own: a new term must not revive a lease that
lapsed after the claims were sent (test_holder.py); a region's word must not raise a count, and
what was claimed must not be lent again while learning (test_book.py).
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest

from crdt.book import Claimed, GrantBook, Meet
from crdt.dots import RegionId
from crdt.holder import GrantHolder, _Held
from crdt.requests import PassedRequests
from tests.crdt.escrow_parts import Faults, Rules
from tests.crdt.escrow_world import ACCOUNTS, LIMIT, World

SEEDS = range(100)
MUTANT_SEEDS = range(1000, 1300)

USUAL = Faults()
SHORT = Faults(lease_ms=3000, cuts=3, late=0.15, pauses=15, home_restarts=8)
"""Messages may be late by more than two leases; the home forgets its book often."""


@cache
def honest(seed: int, faults: Faults = USUAL) -> World:
    return World(seed, faults=faults).run()


@pytest.mark.parametrize("faults", [USUAL, SHORT], ids=["usual", "short"])
def test_usable_grants_never_exceed_the_limit(faults: Faults) -> None:
    worst = {seed: honest(seed, faults).worst for seed in SEEDS}
    assert {seed: most for seed, most in worst.items() if most > LIMIT} == {}


@pytest.mark.parametrize("faults", [USUAL, SHORT], ids=["usual", "short"])
def test_without_fencing_two_homes_never_lend_more_than_twice_the_limit(faults: Faults) -> None:
    worst = [World(seed, Rules(fenced=False), faults).run().worst for seed in SEEDS]
    assert LIMIT < max(worst) <= 2 * LIMIT


def test_the_whole_limit_is_usable_again_after_the_world_heals() -> None:
    for seed in SEEDS[:40]:
        world = World(seed).run()
        world.heal()
        for account in ACCOUNTS:
            assert world.home_usable(world.homes[0], account) == LIMIT, (seed, account)


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = World(7).run(), World(7).run()
    assert (first.seen, first.worst, first.now_s) == (second.seen, second.worst, second.now_s)


def test_every_answer_and_every_end_of_a_lease_really_happened() -> None:
    runs = [honest(seed, faults) for seed in SEEDS for faults in (USUAL, SHORT)]
    seen: Counter[str] = sum((world.seen for world in runs), Counter())
    for what in (
        "slot accepted", "slot refused", "leased", "lease refused", "claims confirmed",
        "claimed all", "claimed part", "claimed late", "lease ran out", "met stale", "met void",
        "voided", "returned", "request passed",
    ):  # fmt: skip
        assert seen[what] >= 5, what


class CountsFromReceipt(GrantHolder):
    """Rule 1 broken."""

    def accept_slot(
        self, seat: RegionId, account: str, request: int, generation: int, term: int,
        sent_ms: int, amount: int, now_ms: int,
    ) -> bool:  # fmt: skip
        return super().accept_slot(seat, account, request, generation, term, now_ms, amount, now_ms)

    def leased(self, seat: RegionId, generation: int, term: int, sent_ms: int, now_ms: int) -> bool:
        return super().leased(seat, generation, term, now_ms, now_ms)


class WaitsWithoutDrift(GrantBook):
    """Rule 2 broken."""

    def __init__(self, lease_ms: int, drift: float, term: int, learn_until_ms: int) -> None:
        super().__init__(lease_ms, 0.0, term, learn_until_ms)


class LowersAtOnce(GrantBook):
    """Rule 3 broken."""

    def grant(self, account: str, region: RegionId, amount: int, now_ms: int) -> int:
        counted = super().grant(account, region, amount, now_ms)
        if amount < counted and not self.is_learning(now_ms):
            self._set(account, self._met(region), amount)
        return min(amount, counted)


class TakesAnyReply(GrantHolder):
    """Rule 4 broken at the holder."""

    def accept_slot(
        self, seat: RegionId, account: str, request: int, generation: int, term: int,
        sent_ms: int, amount: int, now_ms: int,
    ) -> bool:  # fmt: skip
        self._of(seat).newer[account] = request
        return super().accept_slot(
            seat, account, request, generation, term, sent_ms, amount, now_ms
        )


class NothingPassed(PassedRequests):
    def take(self, account: str, number: int) -> bool:
        return True


class TakesAnyRequest(GrantBook):
    """Rule 4 broken at the home."""

    def meet(self, region: RegionId, generation: int, now_ms: int) -> Meet:
        meet = super().meet(region, generation, now_ms)
        self._regions[region].passed = NothingPassed(now_ms)
        return meet


class ForgetsOnClaims(PassedRequests):
    def take_all(self, number: int) -> None:
        pass


class ClaimsAreNoRequest(GrantBook):
    """Rule 4 broken at a new home: what a region said before its claims still counts."""

    def meet(self, region: RegionId, generation: int, now_ms: int) -> Meet:
        known = region in self._regions
        meet = super().meet(region, generation, now_ms)
        if not known:
            self._regions[region].passed = ForgetsOnClaims(now_ms)
        return meet


class NeverLearns(GrantBook):
    """Rule 5 broken at the home."""

    def is_learning(self, now_ms: int) -> bool:
        return False


class ConfirmsHalf(GrantBook):
    """Rule 5 broken at the home: the lease is confirmed before all claims have come."""

    def claim(
        self, region: RegionId, request: int, part: int, parts: int,
        claims: Sequence[tuple[str, int]], now_ms: int,
    ) -> Claimed:  # fmt: skip
        claimed = super().claim(region, request, part, parts, claims, now_ms)
        return Claimed.ALL if claimed is Claimed.PART else claimed


class TakesAnyTerm(GrantHolder):
    """Rule 5 broken at the holder: a new home's lease counts for what it never heard of."""

    def _may_follow(self, held: _Held, term: int) -> bool:
        return term >= held.term


class RenewsForOldClaims(GrantHolder):
    """Rule 5 broken at the holder: what was added since the claims were sent rides along."""

    def _confirms(self, held: _Held, term: int, sent_ms: int, now_ms: int) -> bool:
        return term > held.term and now_ms < held.deadline_ms


class RenewsTheDead(GrantBook):
    """Rule 7 broken."""

    def meet(self, region: RegionId, generation: int, now_ms: int) -> Meet:
        meet = super().meet(region, generation, now_ms)
        if meet is Meet.VOID:
            self._regions[region].until_ms = None
            return Meet.OK
        return meet


MUTANTS = {
    "1 counts from receipt": (Rules(holder=CountsFromReceipt), USUAL),
    "2 waits without drift": (Rules(book=WaitsWithoutDrift), USUAL),
    "3 lowers at once": (Rules(book=LowersAtOnce), USUAL),
    "4 takes any reply": (Rules(holder=TakesAnyReply), USUAL),
    "4 takes any request": (Rules(book=TakesAnyRequest), USUAL),
    "4 claims are no request": (Rules(book=ClaimsAreNoRequest), SHORT),
    "5 never learns": (Rules(book=NeverLearns), USUAL),
    "5 confirms half": (Rules(book=ConfirmsHalf), USUAL),
    "5 takes any term": (Rules(holder=TakesAnyTerm), USUAL),
    "5 renews for old claims": (Rules(holder=RenewsForOldClaims), SHORT),
    "6 not fenced": (Rules(fenced=False), USUAL),
    "7 renews the dead": (Rules(book=RenewsTheDead), SHORT),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_fuzz_notices_each_broken_rule(mutant: str) -> None:
    rules, faults = MUTANTS[mutant]
    assert any(World(seed, rules, faults).run().worst > LIMIT for seed in MUTANT_SEEDS)
