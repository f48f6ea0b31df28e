"""Bugs that are planted into georeg for one simulated run: the simulator's oracle must notice.

Each patches the real code in the process that runs the simulation and is undone after the run; the
product has no switches. Its docstring says what goes wrong. The clauses of a start come from
tests/model, the lease rules from tests/crdt, where they were proven one layer lower. What no clause
breaks is planted by mutants_promises.py.
"""

from typing import Any

from crdt.book import GrantBook, Meet
from crdt.dots import RegionId
from crdt.holder import GrantHolder
from crdt.requests import PassedRequests
from georeg.region import budget, seats
from georeg.region.asking import Asking, Inquiry
from georeg.region.budget import Budget
from georeg.region.messages import No
from georeg.region.starts import Start
from georeg.store import SqliteJournal
from tests.crdt import test_escrow_model as leases
from tests.sim import (
    mutants_drain,
    mutants_election,
    mutants_moves,
    mutants_nodes,
    mutants_promises,
)
from tests.sim.planting import PLANTED, Patch, plant, planted

MORE = (mutants_drain, mutants_election, mutants_moves, mutants_nodes, mutants_promises)
"""They register theirs too."""
__all__ = ["PLANTED", "plant"]

# ---- clauses that need another patch than in tests/model ---------------------------------------


@planted
def volatile(patch: Patch) -> None:
    """Kicks are not read back after a restart: what only this region knew is forgotten."""
    patch.setattr(SqliteJournal, "kicks", lambda self: [])


@planted
def homeword_final(patch: Patch) -> None:
    """The home's first no makes an overdraft at once, though the state has moved on since."""
    said_no: set[Inquiry] = set()
    make, on_no = Start._case, Asking.on_no

    def case(self: Start, is_final: bool) -> Any:
        return make(self, is_final or self._inquiry in said_no)

    def no(self: Asking, peer: RegionId, message: No) -> None:
        inquiry = self._open.get(message.rid)
        if inquiry is not None:
            said_no.add(inquiry)
        on_no(self, peer, message)

    patch.setattr(Start, "_case", case)
    patch.setattr(Asking, "on_no", no)


@planted
def incarnations_unwritten(patch: Patch) -> None:
    """Nobody writes down the incarnations of the others: with the power of all of them, and one
    disk, it is lost which one was used last, and it is used again."""
    patch.setattr(SqliteJournal, "peers", lambda self: {})
    patch.setattr(SqliteJournal, "lost", "")


# ---- budgets: the lease rules of part 6 --------------------------------------------------------


def _lease_rule(name: str, holder: type = GrantHolder, book: type = GrantBook) -> None:
    def apply(patch: Patch) -> None:
        patch.setattr(budget, "GrantHolder", holder)
        patch.setattr(seats, "GrantBook", book)

    apply.__doc__ = (holder if holder is not GrantHolder else book).__doc__
    PLANTED[name] = apply


_lease_rule("lease_from_receipt", holder=leases.CountsFromReceipt)
_lease_rule("lease_without_drift", book=leases.WaitsWithoutDrift)
_lease_rule("lease_lowered_at_once", book=leases.LowersAtOnce)
_lease_rule("lease_any_reply", holder=leases.TakesAnyReply)
_lease_rule("lease_claims_are_no_request", book=leases.ClaimsAreNoRequest)
_lease_rule("lease_never_learns", book=leases.NeverLearns)
_lease_rule("lease_any_term", holder=leases.TakesAnyTerm)
_lease_rule("lease_for_old_claims", holder=leases.RenewsForOldClaims)
_lease_rule("lease_dead_renewed", book=leases.RenewsTheDead)


class _AllRequests(PassedRequests):
    """Takes what was passed too. It still knows the latest one, without which nothing is lent."""

    def take(self, account: str, number: int) -> bool:
        super().take(account, number)
        return True


class _TakesAnyRequest(GrantBook):
    """A word of giving back that comes late lowers what was lent after it."""

    def meet(self, region: RegionId, generation: int, now_ms: int) -> Meet:
        is_new = region not in self._regions
        meet = super().meet(region, generation, now_ms)
        if is_new:
            self._regions[region].passed = _AllRequests(now_ms)
        return meet


_lease_rule("lease_any_request", book=_TakesAnyRequest)


@planted
def lease_confirms_half(patch: Patch) -> None:
    """A new home confirms a lease before all claims have come (here one account a message)."""
    patch.setattr(budget, "CLAIMS_MAX", 1)
    patch.setattr(seats, "GrantBook", leases.ConfirmsHalf)


@planted
def lease_waits_not(patch: Patch) -> None:
    """The home reuses what it lent after half a lease: holders still use it."""
    patch.setattr("crdt.book.home_wait_ms", lambda lease_ms, drift: lease_ms // 2)


@planted
def lease_never_renewed(patch: Patch) -> None:
    """No region lease is ever renewed: all grants end after ten seconds and are asked for again."""
    patch.setattr(Budget, "renew", lambda self: None)
