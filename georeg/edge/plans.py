"""`PUT /v1/accounts/{account}/plan`: a backend states an account's plan; the latest issue wins."""

from typing import Final, cast

from aiohttp import web

from crdt.hlc import hlc_at
from georeg.edge.answers import json_answer, require_joined
from georeg.edge.auth import require_backend
from georeg.edge.bodies import read_json
from georeg.edge.context import Edge
from georeg.edge.instants import instant
from georeg.edge.problems import PLAN_OUTDATED, Problem, invalid
from georeg.edge.schemas import PLAN, account_of
from georeg.edge.start import named_plan

AHEAD_MS_MAX: Final = 30_000
"""A plan issued further in the future would shut out every later one until then."""


async def set_plan(edge: Edge, request: web.Request) -> web.StreamResponse:
    """200 with what is in force now; 409 when a newer plan is known."""
    account = account_of(request)
    await require_backend(edge, request)
    require_joined(edge)
    body = await read_json(request, PLAN, edge.settings.body_max)
    plan = named_plan(edge, cast(str, body["plan"]))
    issued_ms = cast(int, body["issued_at"])
    if issued_ms > edge.clock.wall_ms() + AHEAD_MS_MAX:
        raise invalid(("issued_at", "is in the future"))
    if not edge.region.set_plan(account, plan, hlc_at(issued_ms)):
        raise Problem(PLAN_OUTDATED, "a newer plan of this account is known")
    return json_answer(
        {
            "account": account,
            "plan": plan.name,
            "limit": plan.limit,
            "issued_at": instant(issued_ms),
        }
    )
