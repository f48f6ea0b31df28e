"""The default scenario of live mode, and its faults, drawn from the seed.

A live run takes as long as it says, so everything is compressed: 20 s in which households act every
few seconds and two to four faults happen, each longer than it takes regions to notice.
"""

from dataclasses import replace
from itertools import permutations
from random import Random
from typing import Final

from region_sim.plan.faults import KINDS, Fault, FaultKind, Links, check_fault, parse_links
from region_sim.plan.habits import Habits
from region_sim.plan.scenario import Draw, Scenario

BUSY: Final = Habits(
    idle_s=3, play_s=4, kick_s=30, plan_s=90, burst_s=15, extra_devices=2, roam=0.15, replace=0.4
)
LIVE_SHORT: Final = Scenario(
    name="live-short",
    about="three near regions, 20 s, two to four faults of real links and processes",
    world="near",
    duration_s=20,
    households=40,
    habits=BUSY,
    draw=Draw(
        kinds=tuple(kind for kind, doc in KINDS.items() if doc.is_live), count_min=2, count_max=4
    ),
)
SCENARIOS: Final = {LIVE_SHORT.name: LIVE_SHORT}
_FIRST_S: Final = 2.0
"""Households need a moment until there is something to disturb."""
_SHORTEST_S, _LONGEST_S = 2.0, 8.0


def with_faults(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with the faults that its `draw` asks for, in the order of their times."""
    random = Random(f"live faults {seed}")
    count = random.randint(scenario.draw.count_min, scenario.draw.count_max)
    faults = list(scenario.faults)
    while len(faults) < len(scenario.faults) + count:
        fault = _drawn(scenario, random)
        if not any(_is_same_process(fault, other) for other in faults):
            faults.append(fault)
    faults.sort(key=lambda fault: fault.at_s)
    return replace(scenario, faults=tuple(faults), draw=Draw())


def _is_same_process(one: Fault, other: Fault) -> bool:
    """Whether both want the same process at the same time."""
    is_apart = one.end_s < other.at_s or other.end_s < one.at_s
    return not is_apart and bool(set(one.regions) & set(other.regions))


def _drawn(scenario: Scenario, random: Random) -> Fault:
    kind = random.choice(scenario.draw.kinds)
    doc = KINDS[kind]
    for_s = round(random.uniform(_SHORTEST_S, min(_LONGEST_S, scenario.duration_s / 2)), 3)
    last_s = max(_FIRST_S, scenario.duration_s - for_s)
    return check_fault(
        Fault(
            kind=kind,
            at_s=round(random.uniform(min(_FIRST_S, last_s), last_s), 3),
            for_s=for_s,
            regions=() if doc.on_links else (random.choice(scenario.regions),),
            links=_links(scenario, random) if doc.on_links else (),
            how=random.choice(doc.ways),
            amount=_amount(kind, random),
        ),
        scenario.regions,
    )


def _links(scenario: Scenario, random: Random) -> Links:
    """One region cut off, one link both ways, or one link one way."""
    a, b = random.choice(list(permutations(scenario.regions, 2)))
    return parse_links(random.choice((a, f"{a}-{b}", f"{a}>{b}")), scenario.regions)


def _amount(kind: FaultKind, random: Random) -> float:
    """Around what a start can bear, and well beyond."""
    if kind is FaultKind.LAG:
        return round(random.choice((0.02, 0.1, 0.5, 1.5)) * random.uniform(0.5, 1.5), 3)
    if kind is FaultKind.NARROW:
        return float(random.choice((1_000, 5_000, 20_000)))
    return 0.0
