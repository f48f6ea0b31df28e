"""What a second table of plans would have decided, as JSON. Accounts are counted, never named."""

from aiohttp import web

from georeg.edge.answers import json_answer
from georeg.edge.instants import instant
from georeg.ops import render
from georeg.ops.context import Ops
from georeg.ops.keys import Operator
from georeg.region.shadow import ShadowCount


async def shadow(ops: Ops, _operator: Operator, _request: web.Request) -> web.Response:
    """The counts of every plan that has a shadow."""
    return json_answer(
        {
            "view_of": ops.region.name,
            "at": instant(ops.clock.wall_ms()),
            "plans": [_plan(ops, one) for one in ops.region.report.shadow.counts()],
        }
    )


def _plan(ops: Ops, one: ShadowCount) -> render.Json:
    policy = ops.region.settings.plans.get(one.plan)
    return {
        "plan": one.plan,
        "limit": None if policy is None else policy.limit,
        "shadow_limit": one.limit,
        "for_s": render.seconds(ops.clock.now_ms() - one.since_ms),
        "both_admit": one.times["admitted", "admitted"],
        "would_refuse": one.times["admitted", "refused"],
        "would_admit": one.times["refused", "admitted"],
        "both_refuse": one.times["refused", "refused"],
        "accounts_would_refuse": one.accounts,
        "has_more_accounts": one.has_more,
    }
