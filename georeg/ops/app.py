"""The operators' API as one aiohttp application: the routes, and the one wrapper around each.

Invariant: nobody gets past the wrapper without a good key that may make the call; what changes
something is in the audit log before it is done; whatever happens, the caller gets its answer or a
problem, and the log, unlike the audit log, names no account and no device.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from aiohttp import web

from georeg.edge.auth import bearer
from georeg.edge.problems import Problem, forbidden, not_found, plain, unauthorized, unavailable
from georeg.ops.context import TERMS, Ops
from georeg.ops.keys import May, Operator
from georeg.ops.routes import ROUTES, OpsRoute

OPS: Final = web.AppKey("ops", Ops)
BODY_BYTES_MAX: Final = 64 * 1024
_Wrapped = Callable[[web.Request], Awaitable[web.StreamResponse]]
log: Final = structlog.get_logger("georeg.ops")


def create_ops_app(ops: Ops, more: Sequence[OpsRoute] = ()) -> web.Application:
    """The app of one region's operators' API; `more`: routes of other parts."""
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app[OPS] = ops
    for route in (*ROUTES, *more):
        app.router.add_route(route.method, route.path, wrapped(ops, route))
    app.router.add_route("*", "/{path:.*}", wrapped(ops, OpsRoute("unknown", "*", "", _unknown)))
    return app


async def _unknown(_ops: Ops, _operator: Operator, request: web.Request) -> web.StreamResponse:
    """404, or 405 with the methods that the path takes; only for those who have a key."""
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != "/{path}":
            methods |= (await resource.resolve(request))[1]
    if not methods:
        raise not_found("there is nothing under this path")
    allowed = ", ".join(sorted(methods))
    raise plain(405, f"this path does not take {request.method[:20]}", headers={"Allow": allowed})


def wrapped(ops: Ops, route: OpsRoute) -> _Wrapped:
    """The handler as aiohttp calls it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await _handled(ops, route, request)
        except Problem as problem:
            return problem.response()
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            log.error("audit log refuses", error=error.strerror or type(error).__name__)
            return unavailable("the audit log cannot be written, so nothing is done", 1).response()
        except Exception as error:  # noqa: BLE001 - the boundary: a bug here is one 500, no more
            log.error("request failed", route=route.name, error=type(error).__name__)
            log.debug("request failed because", route=route.name, message=str(error))
            return plain(500, "an error of the service").response()

    return handle


async def _handled(ops: Ops, route: OpsRoute, request: web.Request) -> web.StreamResponse:
    """Let the call through, or not, with its lines in the audit log."""
    what = {"from": request.remote or "", **request.match_info}
    if request.query_string:
        what["query"] = request.query_string[:200]
    operator = _operator(ops, route, request, what)
    if not route.is_audited:
        return await route.handler(ops, operator, request)
    what |= {"operator": operator.name, "may": operator.may.value}
    if route.may is May.OPERATE and request.query.get("dry_run") != "1":
        ops.audit.note(route.name, "begun", **what)
    try:
        response = await route.handler(ops, operator, request)
    except Problem as problem:
        terms = request.get(TERMS, {})
        outcome = problem.kind.name or "refused"
        ops.audit.note(route.name, outcome, why=problem.detail, **what, **terms)
        raise
    except asyncio.CancelledError:
        ops.audit.note(route.name, "cut off", **what)
        raise
    except Exception as error:
        ops.audit.note(route.name, "failed", why=type(error).__name__, **what)
        raise
    ops.audit.note(route.name, "done", **what, **request.get(TERMS, {}))
    return response


def _operator(
    ops: Ops, route: OpsRoute, request: web.Request, what: dict[str, str]
) -> Operator:
    """Whose call it is. Raises Problem 401 or 403."""
    try:
        key = bearer(request.headers)
        operator = None if key is None else ops.operators.verify(key)
        if operator is None:
            raise unauthorized("an operator's key is needed: Authorization: Bearer NAME.SECRET")
    except Problem:
        ops.audit.stranger(route.name, "unauthorized", **what)
        raise
    if route.may is May.OPERATE and operator.may is not May.OPERATE:
        ops.audit.note(route.name, "forbidden", operator=operator.name, may="read", **what)
        raise forbidden(f"the key of {operator.name} may read, not operate")
    return operator
