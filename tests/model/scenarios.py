"""Kinds of worlds, and one run from begin to the end of all leases."""

from collections.abc import Callable
from dataclasses import replace

from crdt.dots import SHARDS, RegionId
from crdt.events import Plan
from georeg.region.settings import Settings
from tests.model.devices import Habits, Household
from tests.model.oracle import YOUNG_S, Oracle
from tests.model.world import World

LATENCY_S = {
    "restart": (0.003, 0.010),
    "lossy": (0.020, 0.150),
    "fast": (0.001, 0.004),
    "near": (0.004, 0.010),
    "mid": (0.020, 0.034),
    "slow": (0.020, 0.150),
    "faulty": (0.020, 0.150),
    "cut": (0.003, 0.014),
}
CALM = ("fast", "near", "mid", "slow")
PLANS = {1: "basic", 2: "standard", 4: "premium"}
SETTINGS = replace(Settings(), idle_grant_ms=20_000, join_ms=300)
END_S = 170.0


def run(seed: int, kind: str, *, trace: bool = False, end_s: float = END_S) -> Oracle:
    """One seed: traffic under the kind's faults, healing, then the end of all leases."""
    world = World(seed, kind, SETTINGS, trace=trace)
    habits = Habits()
    if kind == "cut":  # nobody crosses the cut, so that P x L must hold
        habits = replace(habits, roam=0, sleep=0, away=0, stop=0.5, vanish=0.3)
    _regions(world)
    world.until(1.0)
    for index in range(5):
        limit = world.random.choice((1, 1, 2, 4))
        account = f"acc-{index}"
        world.limits[account] = limit
        Household(world, account, Plan(PLANS[limit], limit, 0), habits)
    _faults(world, end_s)
    world.until(end_s)
    world.heal()
    heads = {
        region: [(life.region._state.incarnation, s.log.top) for s in life.region._state.shards]
        for region, life in world.lives.items()
        if life.serves
    }
    world.until(end_s + 2 * 1.0 + 0.5)
    _check_converged(world, heads)
    world.until(end_s + 8)
    world.is_over = True
    world.until(end_s + 8 + 90 + 20 + 25)
    _check_nothing_left(world)
    _check_excess(world)
    return world.oracle


def _regions(world: World) -> None:
    count = world.random.choice((3, 4))
    low_s, high_s = LATENCY_S[world.kind]
    for a in range(1, count + 1):
        world.names[RegionId(a)] = f"r{a}"
        for b in range(1, a):
            latency_s = world.random.uniform(low_s, high_s)
            world.latency_s[a, b] = latency_s
            world.latency_s[b, a] = latency_s * world.random.uniform(1, 1.1)
    for region in sorted(world.names):
        world.boot(region)


def _faults(world: World, end_s: float) -> None:
    random, regions = world.random, sorted(world.names)

    def split(how: str) -> set[tuple[int, int]]:
        if how == "partial":
            a, b = random.sample(regions, 2)
            return {(a, b), (b, a)}
        side = set(random.sample(regions, random.randint(1, len(regions) - 1)))
        return {
            (a, b)
            for a in regions
            for b in regions
            if (a in side and b not in side) or (how == "full" and b in side and a not in side)
        }

    def at_some_time(last: float, act: Callable[[], None]) -> None:
        world.at(random.uniform(5, end_s * last), act)

    if world.kind == "cut":
        pairs = split("full")
        world.at(20, lambda: world.partition(pairs, end_s - 50))
    if world.kind == "lossy":
        world.loss = random.choice((0, 0.3))
        for _ in range(6):
            _slow_link(world, at_some_time)
    if world.kind == "faulty":
        world.loss = random.choice((0, 0, 0.02, 0.08))
        for _ in range(random.randint(0, 3)):
            pairs = split(random.choice(("full", "oneway", "partial")))
            length_s = random.choice((random.uniform(1, 8), random.uniform(8, 80)))
            at_some_time(0.8, lambda p=pairs, d=length_s: world.partition(p, d))
    kills = {"faulty": random.choice((0, 0, 1, 2)), "restart": 2}.get(world.kind, 0)
    for _ in range(kills):
        region, length_s = random.choice(regions), random.uniform(3, 40)
        at_some_time(0.8, lambda r=region, d=length_s: world.kill(r, d))
    for _ in range({"faulty": random.randint(0, 4), "lossy": 3}.get(world.kind, 0)):
        _stall(world, at_some_time)


def _slow_link(world: World, at_some_time: Callable[..., None]) -> None:
    """Ranges get stuck while beacons pass, or everything lags by seconds."""
    random = world.random
    a, b = random.sample(sorted(world.names), 2)
    length_s, extra_s, is_jam = random.uniform(8, 40), random.uniform(2, 8), random.random() < 0.5

    def begin() -> None:
        until_s = world.now_s + length_s
        world.cuts.append((world.now_s, until_s, {(a, b)}))
        if is_jam:
            world.jam[a, b] = until_s
        else:
            world.lag[a, b] = (until_s, extra_s)

    at_some_time(0.8, begin)


def _stall(world: World, at_some_time: Callable[..., None]) -> None:
    """A link, or all links to a region, hold everything back and then deliver it at once."""
    random = world.random
    target = random.choice(sorted(world.names))
    others = [r for r in sorted(world.names) if r != target]
    sources = [random.choice(others)] if random.random() < 0.5 else others
    length_s = random.uniform(1, 9)

    def begin() -> None:
        until_s = world.now_s + length_s
        world.cuts.append((world.now_s, until_s, {(s, target) for s in sources}))
        for source in sources:
            world.stall[source, target] = until_s

    at_some_time(0.9, begin)


def _check_converged(world: World, heads: dict[RegionId, list[tuple[int, int]]]) -> None:
    for region, life in world.lives.items():
        for peer in heads:
            if peer == region:
                continue
            for index in range(SHARDS):
                if life.region._state.shards[index].position(peer) < heads[peer][index]:
                    at = life.region._state.shards[index].position(peer)
                    world.oracle.bad(
                        "P7 not converged in two rounds",
                        (region, peer, index, at, heads[peer][index]),
                    )


def _check_nothing_left(world: World) -> None:
    for region, life in world.lives.items():
        status, oracle = life.region.status(), world.oracle
        if status.sessions:
            oracle.bad("P6 own session left", region)
        if status.sessions_known:
            oracle.bad("P6 view not empty", region)
        if status.grants_lent:
            oracle.bad("P6 grant not free", (region, status.grants_lent))
        if life.region._home._requests or life.region._asking._open:
            oracle.bad("P6 request left", region)
        if status.counters.get("state_mismatches"):
            oracle.bad("P7 equal positions, unequal state", region)
        for peer, other in world.lives.items():
            for mine, theirs in zip(
                life.region._state.shards, other.region._state.shards, strict=True
            ):
                if peer != region and mine.position(peer) != theirs.position(peer):
                    oracle.bad("P7 positions differ at the end", (region, peer))


def _check_excess(world: World) -> None:
    oracle = world.oracle
    for account, start_s, length_s, peak in oracle.excess():
        oracle.episodes.append(length_s)
        crossed = any(
            a == account and start_s - 1 <= at_s <= start_s + length_s
            for a, at_s in oracle.late_returns
        )
        if world.kind in CALM and length_s > YOUNG_S + 2 and not crossed:
            oracle.bad("P2 excess not ended in seconds", (account, start_s, length_s, peak))
    if world.kind == "cut":
        for account, start_s, length_s, peak in oracle.excess(parts=2):
            if length_s > YOUNG_S + 2:
                oracle.bad("P2 more than P x L", (account, start_s, length_s, peak))
