"""What operators do to accounts. With `?dry_run=1` a call says what it would do, and does nothing.

Invariant: a dry run changes nothing, and refuses what the action itself would refuse.
"""

from typing import Final, cast

from aiohttp import web

from crdt.dots import SessionId
from crdt.events import ActorKind, Plan
from georeg.edge.answers import json_answer
from georeg.edge.bodies import read_json
from georeg.edge.instants import instant
from georeg.edge.problems import PLAN_OUTDATED, Problem, invalid, not_found, unavailable
from georeg.edge.schemas import account_of
from georeg.edge.shapes import Fields, Text, Whole
from georeg.ops import render
from georeg.ops.context import TERMS, Ops, settled
from georeg.ops.keys import Operator
from georeg.region.model import Kicked, NotDurable

BODY_MAX: Final = 16 * 1024
LIMIT_MAX: Final = 64
PLAN: Final = Fields(
    required={"plan": Text(1, 64, "Name of a plan.")},
    optional={"limit": Whole(1, LIMIT_MAX, "Streams at once, when it is not the plan's own.")},
)


def is_dry_run(request: web.Request) -> bool:
    """Whether the caller only asks what would happen. Raises Problem 422 for other parameters."""
    for name in sorted(request.query):
        if name != "dry_run":
            raise invalid((name[:40], "is not a parameter of this call"))
    value = request.query.get("dry_run", "0")
    if value not in ("0", "1"):
        raise invalid(("dry_run", "must be 0 or 1"))
    return value == "1"


async def kick(ops: Ops, operator: Operator, request: web.Request) -> web.Response:
    """End one session of an account for good; 404 when the account has no such session."""
    account = account_of(request)
    dry_run = is_dry_run(request)
    text = request.match_info["session"]
    session = ops.render.parse_session_id(text)
    known = [s for s in ops.region.report.account(account).sessions if s.info.session == session]
    if session is None or (dry_run and not known):
        raise not_found("the account has no such session")
    if dry_run:
        shown = [render.session(ops, one) for one in known]
        return json_answer({"account": account, "dry_run": True, "would_end": shown})
    ops.require_joined()
    kicked = [await _kick(ops, operator, account, session)]
    return json_answer({"account": account, "dry_run": False, "kicked": kicked})


async def kick_all(ops: Ops, operator: Operator, request: web.Request) -> web.Response:
    """End every session of an account that is known here."""
    account = account_of(request)
    sessions = ops.region.report.account(account).sessions
    if is_dry_run(request):
        shown = [render.session(ops, one) for one in sessions]
        return json_answer({"account": account, "dry_run": True, "would_end": shown})
    ops.require_joined()
    kicked = [await _kick(ops, operator, account, one.info.session) for one in sessions]
    return json_answer({"account": account, "dry_run": False, "kicked": kicked})


async def _kick(ops: Ops, operator: Operator, account: str, session: SessionId) -> render.Json:
    outcome = await settled(ops.region.kick(account, session, ActorKind.OPERATOR, operator.name))
    if isinstance(outcome, NotDurable):
        raise unavailable(
            f"the session has ended, but the disk refused ({outcome.error}): kick it again", 1
        )
    if not isinstance(outcome, Kicked):
        raise not_found("the account has no such session")
    told = ops.render.kicked(outcome)
    return {
        "session": told["session"]["id"],
        "device": told["session"]["device"],
        "effect": told["effect"],
        "waiting_for": told["waiting_for"],
    }


async def set_plan(ops: Ops, _operator: Operator, request: web.Request) -> web.Response:
    """State an account's plan now; a later entitlement or backend overrules it."""
    account = account_of(request)
    dry_run = is_dry_run(request)
    body = await read_json(request, PLAN, BODY_MAX)
    name = cast(str, body["plan"])
    policy = ops.region.settings.plans.get(name)
    limit = cast("int | None", body.get("limit")) or (policy.limit if policy else None)
    if limit is None:
        known = ", ".join(sorted(ops.region.settings.plans))
        raise invalid(("plan", f"is none of {known}: give a limit with it"))
    request[TERMS] = {"plan": name, "limit": limit}
    before = ops.region.report.account(account)
    devices = len({one.info.device.id for one in before.sessions})
    told = {
        "account": account,
        "dry_run": dry_run,
        "before": {"plan": before.plan, "limit": before.limit},
        "after": {"plan": name, "limit": limit},
        "live": devices,
        "above_limit": max(0, devices - limit),
    }
    if dry_run:
        return json_answer(told)
    ops.require_joined()
    if not ops.region.set_plan(account, Plan(name, limit, 0), ops.region.plan_time()):
        raise Problem(PLAN_OUTDATED, "a newer plan of this account is known")
    return json_answer({**told, "at": instant(ops.clock.wall_ms())})
