"""How slots are lent, follow their sessions and come back: each rule broken once."""

from typing import Any

from crdt.book import GrantBook, Meet
from georeg.region.budget import Budget
from georeg.region.hints import Hints
from georeg.region.home import Home
from georeg.region.state import RegionState
from tests.model.mutants import Patch, mutant


@mutant
def follow(patch: Patch) -> None:
    """A region that is outbid keeps the slot: the home counts the session that moved twice."""
    patch.setattr(Budget, "on_moved", lambda self, account: None)


@mutant
def follow_flush(patch: Patch) -> None:
    """Adoptions and kicks are not flushed at once: others decide on what is over."""
    logged = RegionState._logged
    patch.setattr(
        RegionState, "_logged", lambda self, shard, at_once: logged(self, shard, at_once=False)
    )


@mutant
def follow_live(patch: Patch) -> None:
    """The home's own budget counts grants only: it fills slots that others use without one."""
    taken = Budget.taken
    patch.setattr(Budget, "taken", lambda self, account, live: taken(self, account, []))


@mutant
def handover(patch: Patch) -> None:
    """A slot comes back without the dot to which its session moved: the home lends it again."""
    patch.setattr(Hints, "note", lambda self, account, entries: None)


@mutant
def dead(patch: Patch) -> None:
    """A lease that ran out at the home is renewed: the holder uses what was lent to others."""
    meet = GrantBook.meet

    def renewed(self: GrantBook, region: Any, generation: int, now_ms: int) -> Meet:
        meeting = meet(self, region, generation, now_ms)
        if meeting is Meet.VOID:
            self._met(region).until_ms = None
            return Meet.OK
        return meeting

    patch.setattr(GrantBook, "meet", renewed)


@mutant
def idle(patch: Patch) -> None:
    """Grants of accounts that watch nothing are never taken back: they leak."""
    patch.setattr(Home, "sweep_idle", lambda self: None)


@mutant
def queue(patch: Patch) -> None:
    """The home serves two requests of one account at a time: both find the same free slot."""
    serve = Home._serve

    def at_once(self: Home, request: Any) -> None:
        waiting = self._queues.get(request.borrow.account)
        if waiting is not None and request in waiting:
            waiting.remove(request)
            waiting.appendleft(request)
            serve(self, request)

    on_borrow = Home.on_borrow

    def borrow(self: Home, asker: Any, message: Any) -> None:
        before = set(self._requests)
        on_borrow(self, asker, message)
        for wid in sorted(set(self._requests) - before):
            if self._requests[wid].phase == 0:
                at_once(self, self._requests[wid])

    patch.setattr(Home, "_serve", at_once)
    patch.setattr(Home, "on_borrow", borrow)


@mutant
def wish(patch: Patch) -> None:
    """The home judges on its view alone: what happened since the last flush is missed."""
    room = Home._room

    def by_view(self: Home, request: Any) -> Any:
        answers, request.answers = request.answers, {}
        try:
            return room(self, request)
        finally:
            request.answers = answers

    patch.setattr(Home, "_room", by_view)
