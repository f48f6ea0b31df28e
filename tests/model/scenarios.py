"""One run of a world: traffic under the kind's faults, healing, then the end of all leases."""

from dataclasses import replace

from crdt.dots import RegionId
from crdt.events import Plan
from georeg.region.settings import Settings
from tests.model import checks
from tests.model.devices import Habits
from tests.model.faults import Faults
from tests.model.households import Household
from tests.model.kinds import KINDS, LIMITS
from tests.model.oracle import Oracle
from tests.model.world import World

SETTINGS = replace(Settings(), idle_grant_ms=20_000, join_ms=300)
END_S = 170.0
ACCOUNTS = 5
SLACK_S = 0.6
"""Two beacon rounds of a slow clock, one flight, a restart's wait for its peers."""


def run(seed: int, kind: str, *, trace: bool = False, end_s: float = END_S) -> Oracle:
    """One seed. The shorter `end_s`, the less happens; faults that are drawn fit in."""
    settings = replace(
        SETTINGS, plans=KINDS[kind].plans(),
        home_move_after_ms=KINDS[kind].home_move_after_s * 1000,
    )  # fmt: skip
    world = World(seed, KINDS[kind], settings, trace=trace)
    _regions(world)
    Faults(world, end_s).plan()
    for region in sorted(world.names):
        if not any(region == late for _, _, late in world.downs):
            world.boot(region)
    world.until(1.0)
    _households(world)
    world.until(end_s)
    world.heal()
    known = checks.heads(world)
    world.until(end_s + 2 * settings.beacon_ms / 1000 + SLACK_S)
    checks.check_converged(world, known)
    world.until(end_s + 8)
    checks.check_excess_ended(world)
    world.is_over = True
    world.until(end_s + 11)
    checks.check_held_once(world)
    world.until(end_s + 8 + (settings.client_lease_ms + settings.idle_grant_ms) / 1000 + 25)
    checks.check_nothing_left(world)
    checks.check_excess(world)
    return world.oracle


def _regions(world: World) -> None:
    count = world.random.choice((3, 4))
    low_s, high_s = world.kind.latency_s
    for a in range(1, count + 1):
        world.names[RegionId(a)] = f"r{a}"
        for b in range(1, a):
            latency_s = world.random.uniform(low_s, high_s)
            world.latency_s[a, b] = latency_s
            world.latency_s[b, a] = latency_s * world.random.uniform(1, 1.1)


def _households(world: World) -> None:
    habits = Habits()
    if world.kind.is_cut:  # nobody crosses the cut, so that P x L must hold
        habits = replace(habits, roam=0, sleep=0, away=0, stop=0.5, vanish=0.3)
    names = {limit: name for name, limit in LIMITS.items()}
    for index in range(ACCOUNTS):
        limit = world.random.choice((1, 1, 2, 4))
        account = f"acc-{index}"
        world.limits[account] = limit
        Household(world, account, Plan(names[limit], limit, 0), habits)
