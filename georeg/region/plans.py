"""Statements of an account's plan: what is stored, told to the other regions, and kept."""

from crdt.events import Plan, PlanSet
from georeg.region.state import RegionState


def state_plan(state: RegionState, account: str, plan: Plan, issued: int) -> bool:
    """Note a plan; False when a later one is known. One that names no home moves none.

    `issued`: hybrid logical time (hlc.py).
    """
    state.hlc.observe(issued, state.clock.wall_ms())
    shard, known = state.shard(account), state.plan_of(account)
    if not plan.home and known is not None:
        plan = plan._replace(home=known.plan.home)
    update = PlanSet(account, plan, issued)
    if update == known:
        return True
    if not shard.set_plan(update):
        return False
    state.journal.store_plan(update)
    state.logged(shard.index, at_once=False)
    return True
