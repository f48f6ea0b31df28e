"""What must hold after a run: convergence after healing, nothing left over, bounded excess."""

from crdt.dots import SHARDS, RegionId, SessionId
from georeg.region.settings import Excess
from tests.model.oracle import YOUNG_S
from tests.model.world import World

Heads = dict[RegionId, list[tuple[int, int]]]


def heads(world: World) -> Heads:
    """The own positions of all regions that serve."""
    return {
        region: [(life.region._state.incarnation, s.log.top) for s in life.region._state.shards]
        for region, life in world.lives.items()
        if life.serves
    }


def check_converged(world: World, known: Heads) -> None:
    """P7: two rounds after healing everybody has what was written before."""
    for region, life in world.lives.items():
        for peer in sorted(known):
            for index in range(SHARDS if peer != region else 0):
                at = life.region._state.shards[index].position(peer)
                if at < known[peer][index]:
                    detail = (region, peer, index, at, known[peer][index])
                    world.oracle.bad("P7 not converged in two rounds", detail)


def check_held_once(world: World) -> None:
    """P7: a moment after the last heartbeat every session is held by one region at most."""
    for account, truths in sorted(world.oracle.by_account.items()):
        for truth in truths:
            holders = [
                region
                for region, life in sorted(world.lives.items())
                if life.region._state.held(account, SessionId(truth.session)) is not None
            ]
            if len(holders) > 1:
                world.oracle.bad("P7 a session is held twice", (hex(truth.session), holders))


def check_nothing_left(world: World) -> None:
    """P6, P7: all devices are gone, all leases are over."""
    oracle = world.oracle
    for region, life in world.lives.items():
        status = life.region.status()
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


def check_excess(world: World) -> None:
    """P2: what exceeds the limit ends within seconds; a cut in two parts doubles it at most."""
    oracle = world.oracle
    for episode in oracle.excess():
        oracle.episodes.append(episode.length_s)
        end_s = episode.start_s + episode.length_s
        crossed = any(
            account == episode.account and episode.start_s - 1 <= at_s <= end_s
            for account, at_s in oracle.late_returns
        )
        if world.kind.is_calm and episode.length_s > YOUNG_S + 2 and not crossed:
            oracle.bad("P2 excess not ended in seconds", episode)
    if world.kind.is_cut:
        for episode in oracle.excess(parts=2):
            if episode.length_s > YOUNG_S + 2:
                oracle.bad("P2 more than P x L", episode)


def check_excess_ended(world: World) -> None:
    """Policy `end`: some seconds after healing nothing exceeds the limit any more."""
    if world.kind.excess is not Excess.END:
        return
    for account, truths in sorted(world.oracle.by_account.items()):
        live = {t.device for t in truths if t.lives(world.now_s)}
        if len(live) > world.limits[account]:
            world.oracle.bad("P2 excess not ended after the cut", (account, sorted(live)))
