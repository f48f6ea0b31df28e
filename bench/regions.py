"""Regions for measurement: real code, a clock of our own, no disk, neighbours that answer."""

from random import Random

from bench.neighbours import BenchClock, Neighbours
from bench.population import EPOCH_MS, HERE, NAMES
from crdt.dots import SessionId, pack
from georeg.region.model import Admitted, Basis, Outcome, SessionInfo, StartRequest, State
from georeg.region.pending import Pending
from georeg.region.ports import Clock
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal

_JOIN_MS = 10
_SETTLE_MS = 2_500


class Undecided(Region):
    """Admits every start at once and remembers none: what a start costs then is the edge."""

    _sequence = 0

    def start(self, request: StartRequest) -> Pending[Outcome]:
        """Admitted, as the only session of its account."""
        self._sequence += 1
        info = SessionInfo(
            SessionId(pack(HERE, 1, self._sequence)), request.account, request.device,
            request.title, HERE, EPOCH_MS, EPOCH_MS, State.LIVE, EPOCH_MS // 1000, EPOCH_MS,
        )  # fmt: skip
        return Pending(Admitted(info, Basis.GRANTED, 1, 1, 0, (info,)))


def make_region(
    clock: Clock, settings: Settings | None = None, kind: type[Region] = Region
) -> tuple[Region, Neighbours]:
    """A region that has not been opened yet, and the rest of its world."""
    neighbours = Neighbours(clock)
    region = kind(HERE, NAMES, settings or Settings(), clock, neighbours, NoJournal(), Random(1))
    neighbours.serve(region)
    return region, neighbours


def joined_region(settings: Settings | None = None) -> tuple[Region, Neighbours, BenchClock]:
    """A region that has joined, has heard its neighbours and holds their leases."""
    clock = BenchClock()
    region, neighbours = make_region(clock, settings)
    region.open()
    clock.advance(_JOIN_MS)
    assert region.ready, "the neighbours answer at once"
    clock.advance(_SETTLE_MS)
    return region, neighbours, clock
