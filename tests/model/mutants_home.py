"""How slots follow their sessions and come back: each rule broken once.

The rules of a lease itself, a dead one that is renewed among them, are broken in
tests/crdt/test_escrow_model.py.
"""

from typing import Any

from georeg.region.budget import Budget
from georeg.region.hints import Hints
from georeg.region.idle import IdleGrants
from georeg.region.state import RegionState
from tests.model.mutants import Patch, mutant


@mutant
def follow(patch: Patch) -> None:
    """A region that is outbid keeps the slot: the home counts the session that moved twice."""
    patch.setattr(Budget, "on_moved", lambda self, account: None)


@mutant
def follow_flush(patch: Patch) -> None:
    """Adoptions and kicks are not flushed at once: others decide on what is over."""
    logged = RegionState.logged
    patch.setattr(
        RegionState, "logged", lambda self, shard, at_once: logged(self, shard, at_once=False)
    )


@mutant
def handover(patch: Patch) -> None:
    """A slot comes back without the dot to which its session moved: the home lends it again."""
    patch.setattr(Hints, "note", lambda self, account, entries: None)


@mutant
def handover_bare(patch: Patch) -> None:
    """A region without a slot does not say where its session moved: the home lends meanwhile."""
    patch.setattr(Budget, "_tell", _with_slot_only(Budget._tell))


def _with_slot_only(tell: Any) -> Any:
    def told(
        self: Budget, home: Any, seat: Any, account: str, wid: int, request: int, has: int
    ) -> None:
        if request:
            tell(self, home, seat, account, wid, request, has)

    return told


@mutant
def idle(patch: Patch) -> None:
    """Grants of accounts that watch nothing are never taken back: they leak."""
    patch.setattr(IdleGrants, "tick", lambda self: None)
