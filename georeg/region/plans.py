"""Statements of an account's plan: what is stored, told to the other regions, and kept."""

from crdt.events import Plan, PlanSet
from georeg.region.state import RegionState


def state_plan(state: RegionState, account: str, plan: Plan, issued: int) -> bool:
    """Note a plan; False when a later one is known. One that names no home moves none.

    `issued`: hybrid logical time (hlc.py).
    """
    state.hlc.observe(issued, state.clock.wall_ms())
    look = state.look(account)
    if not plan.home and look.pinned:
        plan = plan._replace(home=look.pinned)
    update = PlanSet(account, plan, issued)
    if update == look.plan:
        return True
    if not look.shard.set_plan(update):
        return False
    look.planned(update)
    state.journal.store_plan(update)
    state.logged(look.shard.index, at_once=False)
    return True
