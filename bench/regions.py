"""A region for measurement: real code, a clock of our own, no disk, neighbours that answer."""

from random import Random

from bench.neighbours import BenchClock, Neighbours
from bench.population import HERE, NAMES
from georeg.region.ports import Clock
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal

_JOIN_MS = 10
_SETTLE_MS = 2_500


def make_region(clock: Clock, settings: Settings | None = None) -> tuple[Region, Neighbours]:
    """A region that has not been opened yet, and the rest of its world."""
    neighbours = Neighbours(clock)
    region = Region(HERE, NAMES, settings or Settings(), clock, neighbours, NoJournal(), Random(1))
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
