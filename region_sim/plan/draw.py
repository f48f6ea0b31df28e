"""Draws from the seed what a scenario leaves open: which faults, where, when.

As in swarm testing, each seed uses only some of the kinds that it may, so that rare combinations
come up and no fault hides another in every run.
"""

from dataclasses import replace
from random import Random

from region_sim.plan.faults import KINDS, Fault, FaultKind, Links, check_fault
from region_sim.plan.scenario import Draw, Scenario

_BEGIN_S = 5.0
_LENGTHS_S = ((1.0, 4.0), (4.0, 16.0), (16.0, 60.0))
"""Short enough to go unnoticed, long enough for a region to be suspect, and to be down."""
_KNOWS_S = 10.0
"""A region that is new has long heard by then what the others know."""


def draw(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with nothing left to draw but the interleaving."""
    random = Random(f"{seed}/faults")
    may = scenario.draw
    if not may.kinds or may.count_max == 0:
        return scenario
    kinds = sorted(random.sample(may.kinds, random.randint(1, len(may.kinds))))
    count = random.randint(may.count_min, may.count_max)
    drawn = sorted(
        (_fault(random, random.choice(kinds), scenario) for _ in range(count)),
        key=lambda fault: (fault.at_s, fault.describe()),
    )
    faults = scenario.faults + tuple(_change_one_at_a_time(drawn))
    return replace(scenario, faults=faults, draw=Draw())


def _change_one_at_a_time(faults: list[Fault]) -> list[Fault]:
    """Without those that would take a region out before the last one is back and knows what the
    others know, as operators are told: regions come back with empty disks, so that what both
    have known would be lost."""
    kept, free_s = [], 0.0
    for fault in faults:
        if fault.kind is FaultKind.LEAVE:
            if fault.at_s < free_s:
                continue
            free_s = fault.at_s + fault.for_s + _KNOWS_S
        kept.append(fault)
    return kept


def _fault(random: Random, kind: FaultKind, scenario: Scenario) -> Fault:
    doc = KINDS[kind]
    latest_s = max(_BEGIN_S, scenario.duration_s * 0.85)
    at_s = round(random.uniform(min(_BEGIN_S, latest_s), latest_s), 3)
    low_s, high_s = random.choice(_LENGTHS_S)
    for_s = round(min(random.uniform(low_s, high_s), scenario.duration_s - at_s), 3)
    regions: tuple[str, ...] = ()
    links: Links = ()
    if doc.on_links:
        links = _links(random, scenario.regions)
    else:
        regions = (random.choice(scenario.regions),)
    amount = _amount(random, kind)
    if kind is FaultKind.NODE:
        amount = random.randint(1, scenario.nodes)
    fault = Fault(kind, at_s, max(0.5, for_s), regions, links, random.choice(doc.ways), amount)
    return check_fault(fault, scenario.regions)


def _links(random: Random, regions: tuple[str, ...]) -> Links:
    """A full, one-way or partial partition's links."""
    how = random.choice(("full", "full", "one-way", "partial"))
    if how == "partial":
        a, b = random.sample(regions, 2)
        return ((a, b), (b, a))
    side = set(random.sample(regions, random.randint(1, len(regions) - 1)))
    out = tuple((a, b) for a in regions for b in regions if a in side and b not in side)
    return out if how == "one-way" else out + tuple((b, a) for a, b in out)


def _amount(random: Random, kind: FaultKind) -> float:
    """How much, in the unit of the kind."""
    match kind:
        case FaultKind.LAG:
            return round(random.choice((0.05, 0.3, 2.0, 6.0)) * random.uniform(0.5, 1.5), 3)
        case FaultKind.LOSS:
            return round(random.choice((0.02, 0.1, 0.3)) * random.uniform(0.5, 1.5), 3)
        case FaultKind.NARROW:
            return round(random.choice((1_000, 5_000, 50_000)) * random.uniform(0.5, 1.5))
        case FaultKind.JUMBLE:
            return round(random.uniform(0.05, 0.5), 3)
        case FaultKind.DRIFT:
            return round(random.choice((-1, 1)) * random.uniform(0.001, 0.02), 4)
        case FaultKind.JUMP:
            return round(random.choice((-1, 1)) * random.choice((0.5, 5, 60, 3600)), 1)
        case FaultKind.DISK:
            return round(random.choice((0.01, 0.2, 3.0)) * random.uniform(0.5, 1.5), 3)
    return 0.0
