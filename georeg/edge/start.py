"""`POST /v1/accounts/{account}/sessions`: a device asks to start a stream."""

from typing import cast

from aiohttp import web

from crdt.dots import SessionId
from crdt.events import Device, Plan
from georeg.edge.answers import settled
from georeg.edge.auth import Caller, caller_for
from georeg.edge.bodies import read_json
from georeg.edge.context import Edge
from georeg.edge.outcomes import refused, started
from georeg.edge.problems import LIMIT_REACHED, Problem, invalid, too_many, unavailable
from georeg.edge.schemas import START, account_of, idempotency_key_of, wait_ms_of
from georeg.edge.usual import usual_start
from georeg.edge.whole import STARTED, head_of
from georeg.region.model import Admitted, Claims, Refused, StartRequest


async def start(edge: Edge, request: web.Request) -> web.StreamResponse:
    """201 admitted, 409 refused; 503 while joining or draining, before anything is decided."""
    account = account_of(request)
    caller = await caller_for(edge, request, account)
    body = await read_json(request, START, edge.settings.body_max, usual=usual_start)
    wait_ms = wait_ms_of(request)
    plan, plan_issued = _plan(edge, caller, body)
    asked = StartRequest(
        account=account,
        device=_device(body),
        title=cast(str, body.get("title", "")),
        replace=_replaced(edge, body) if "replace" in body else (),
        plan=plan,
        plan_issued=plan_issued,
        deadline_ms=wait_ms,
        idempotency_key=idempotency_key_of(request),
    )
    if edge.stalls.is_recent():
        await edge.stalls.let_leave(request)
    _check_may_start(edge, account)
    edge.overload.starts += 1
    try:
        outcome = await settled(edge, edge.region.start(asked))
    finally:
        edge.overload.starts -= 1
    if isinstance(outcome, Admitted):
        edge.metrics.started(outcome.basis.value)
        return _admitted(edge, request, outcome, wait_ms)
    if isinstance(outcome, Refused):
        edge.metrics.started("refused")
        edge.metrics.refusals.observe(outcome)
        raise _refused(edge, outcome, asked)
    edge.metrics.started("conflict")
    raise invalid(("Idempotency-Key", "was used for another request"))


def _check_may_start(edge: Edge, account: str) -> None:
    """Raise Problem 429 or 503 when the region should not even be asked."""
    wait_s = edge.rate.admit(account, edge.clock.now_ms())
    if wait_s > 0:
        raise too_many("too many starts of this account", max(1, -int(-wait_s // 1)))
    if not edge.region.ready:
        if edge.region.drain.has_effect:
            raise edge.farewell.problem("start")
        raise unavailable("this region is joining", edge.settings.retry_after_s)


def _device(body: dict[str, object]) -> Device:
    device = cast(dict[str, str], body["device"])
    return Device(device["id"], device.get("name", ""), device.get("kind", ""))


def _replaced(edge: Edge, body: dict[str, object]) -> tuple[SessionId, ...]:
    """The sessions to replace; ids that no session of this cluster can have are left out.

    A player may hold an id of long ago; that is no reason to keep it from starting.
    """
    texts = cast(list[str], body["replace"])
    parsed = (edge.render.parse_session_id(text) for text in texts)
    return tuple(session for session in parsed if session is not None)


def _plan(edge: Edge, caller: Caller, body: dict[str, object]) -> tuple[Plan | None, int]:
    """The plan that counts and its hybrid time: of the entitlement, or on the word of a backend.

    A backend speaks now; an entitlement spoke when it was issued.
    """
    if "plan" not in body or not caller.states_plans:
        return caller.plan, caller.plan_issued
    return named_plan(edge, cast(str, body["plan"])), edge.region.plan_time()


def named_plan(edge: Edge, name: str) -> Plan:
    """A plan of the settings. Raises Problem 422 for any other name."""
    limit = edge.plan_limits.get(name)
    if limit is None:
        raise invalid(("plan", "must be one of " + ", ".join(edge.plan_limits)))
    return Plan(name, limit, 0)


def _admitted(
    edge: Edge, request: web.Request, outcome: Admitted, wait_ms: int | None
) -> web.StreamResponse:
    """The token says the start as its issue time, so that a retry gets the same answer."""
    info = outcome.info
    token = edge.keys.sign(
        Claims(
            info.session,
            info.account,
            info.device.id,
            edge.region.id,
            info.started_ms,
            info.deadline_s,
        )
    )
    body = started(edge.render, outcome, token, edge.heartbeat_s, edge.lease_s)
    head = STARTED
    if wait_ms is not None:
        applied = {"Preference-Applied": f"wait={wait_ms / 1000:g}"}
        head = head_of(STARTED.status, STARTED.headers | applied)
    return edge.whole.make(request, head, body, edge.clock.wall_ms())


def _refused(edge: Edge, outcome: Refused, asked: StartRequest) -> Problem:
    """409: who plays, how that is known, and what the viewer can do about it."""
    playing = ", ".join(
        blocker.info.device.name or blocker.info.device.kind or "another device"
        for blocker in outcome.blockers
    )
    streams = "1 stream" if outcome.limit == 1 else f"{outcome.limit} streams"
    return Problem(
        LIMIT_REACHED,
        f"The plan allows {streams} at once. Playing now: {playing}. Stop one there, or start "
        "again with its id in `replace`.",
        written=refused(edge.render, outcome, asked.device.id),
    )
