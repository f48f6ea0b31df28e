"""Bugs inside a region of many nodes: what its devices must not notice, they notice."""

from typing import Any

from crdt.events import Entry
from crdt.sessions import SessionSet
from georeg.cli.nodes import StoreNode
from georeg.edge.problems import unavailable
from georeg.nodes.carrying import Carrying
from georeg.nodes.duty import Duty
from georeg.nodes.front import Front
from georeg.nodes.telling import Telling
from georeg.region import state
from georeg.region.seen import Seen
from tests.sim.planting import Patch, planted


@planted
def leaving_closed(patch: Patch) -> None:
    """A node that is told to stop declines the starts of slices that it still runs."""
    drain = StoreNode.drain

    def hasty(self: StoreNode) -> None:
        self.region.is_open = False
        drain(self)

    patch.setattr(StoreNode, "drain", hasty)


@planted
def no_last_resort(patch: Patch) -> None:
    """While a slice is taken over, its heartbeats are put off."""

    async def last_resort(self: Front, request: Any) -> Any:
        raise unavailable("no node answers for this account at the moment", 1)

    patch.setattr(Front, "last_resort", last_resort)


@planted
def streams_hold(patch: Patch) -> None:
    """A node that stops waits for the event streams that it passes on."""
    patch.setattr(Carrying, "end_streams", lambda self: None)


@planted
def decides_for_ever(patch: Patch) -> None:
    """A node that stood still decides on for slices that others run by now."""
    patch.setattr(Duty, "may_decide", property(lambda self: self.is_kept))


@planted
def takeovers_heard(patch: Patch) -> None:
    """That a session was held on by a takeover is told to the next one as a sign of life."""
    patch.setattr(SessionSet, "is_unconfirmed", lambda self, row: False)


@planted
def told_as_of_now(patch: Patch) -> None:
    """What a device said before a takeover counts as heard when the slice is told of it."""
    patch.setattr(Telling, "_age", lambda self, untold: 0)


@planted
def inherited_yield(patch: Patch) -> None:
    """A session that only an earlier owner has heard yields, though it may have beaten since."""

    def vouch(entry: Entry, silent_ms: int, suspect_ms: int, is_settled: bool, _: bool) -> Seen:
        return Seen(entry, silent_ms > suspect_ms, is_settled, silent_ms)

    patch.setattr(state, "vouch", vouch)
