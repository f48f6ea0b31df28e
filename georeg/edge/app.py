"""The edge as one aiohttp application: the routes, and the one wrapper around each of them.

No middleware: they cost as much as a whole heartbeat. Instead every handler is wrapped once, when
the app is built; the wrapper turns problems into responses, counts, and adds CORS headers. A
catch-all route answers what the table does not know: 404, 405, preflights.

Invariant: whatever happens in a handler, the caller gets its answer or a problem, never a
traceback, and the log gets one line without account or device.
"""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from crdt.dots import RegionId
from georeg.edge.backends import BackendKeys
from georeg.edge.context import Edge
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.openapi import build_document
from georeg.edge.overload import Urgency
from georeg.edge.ports import EdgeRegion
from georeg.edge.problems import Problem, not_found, plain, unavailable
from georeg.edge.routes import ROUTES, Handler
from georeg.edge.settings import EdgeSettings
from georeg.edge.tokens import KeyRing
from georeg.region.ports import Clock

EDGE: Final = web.AppKey("edge", Edge)
"""Where the app keeps its shared state: `app[EDGE].drain()`."""
_Wrapped = Callable[[web.Request], Awaitable[web.StreamResponse]]
HANDLERS: Final = web.AppKey("handlers", dict[str, _Wrapped])
"""The wrapped handlers by the names of their routes."""
FRONT: Final[web.AppKey[Callable[[_Wrapped], _Wrapped]]] = web.AppKey("front")
"""What comes before routes and handlers, given what it comes before; not there: nothing does."""

log: Final = structlog.get_logger("georeg.edge")
_FRAMES_MAX: Final = 8


def create_app(
    region: EdgeRegion,
    keys: KeyRing,
    settings: EdgeSettings,
    *,
    clock: Clock,
    entitlements: EntitlementVerifier | None = None,
    backends: BackendKeys | None = None,
    addresses: Mapping[RegionId, str] | None = None,
    public_url: str = "",
) -> web.Application:
    """The app of one region's edge. Raises SettingsError when the settings cannot work.

    Without `entitlements` no account can call, without `backends` no backend, except under dev.
    `addresses`: where devices reach the other regions, to be told while this one drains.
    `public_url`: where they reach this one, for the OpenAPI document; empty: not told.
    """
    edge = Edge(
        region=region,
        clock=clock,
        keys=keys,
        entitlements=entitlements or EntitlementVerifier(()),
        backends=backends or BackendKeys({}),
        settings=settings,
        document=build_document(ROUTES, public_url),
        addresses=addresses or {},
    )
    app = web.Application()
    app[EDGE] = edge
    app[HANDLERS] = {
        route.name: wrapped(edge, route.name, route.handler, route.urgency) for route in ROUTES
    }
    resources: dict[str, web.Resource] = {}
    for route in ROUTES:
        if route.path not in resources:
            resources[route.path] = app.router.add_resource(route.path)
        resources[route.path].add_route(
            route.method, app[HANDLERS][route.name], expect_handler=_expect
        )
    app.router.add_route(
        "*",
        "/{path:.*}",
        wrapped(edge, "unknown", _unknown, Urgency.ALWAYS),
        expect_handler=_expect,
    )
    app.cleanup_ctx.append(_background)
    app.on_shutdown.append(_on_shutdown)
    return app


async def _background(app: web.Application) -> AsyncIterator[None]:
    """What runs beside the requests: the fetching of keys, the watch over stalls."""
    edge = app[EDGE]
    edge.time_s = asyncio.get_running_loop().time
    edge.entitlements.open()
    edge.stalls.open()
    yield
    edge.stalls.close()
    await edge.entitlements.close()


async def _on_shutdown(app: web.Application) -> None:
    """Open streams would otherwise hold the shutdown until its timeout."""
    edge = app[EDGE]
    if not (edge.is_replaced or edge.region.drain.is_forced):
        edge.drain()


def wrapped(edge: Edge, name: str, handler: Handler, urgency: Urgency) -> _Wrapped:
    """The handler as aiohttp calls it; under overload it is not called if it can wait."""
    count = edge.metrics.route(name).count
    admits, may_wait = edge.overload.admits, urgency is not Urgency.ALWAYS
    where = "start in another region" if urgency is Urgency.START else "ask again later"
    busy = unavailable(f"this region has too much to do; {where}", edge.settings.retry_after_s)
    cors = edge.cors if edge.cors.enabled else None

    async def handle(request: web.Request) -> web.StreamResponse:
        time_s = edge.time_s
        began_s, told = time_s(), ""
        try:
            if may_wait and not admits(urgency):
                response = edge.whole.problem(request, busy, edge.clock.wall_ms())
                told = busy.kind.name
            else:
                response = await handler(edge, request)
        except Problem as problem:
            response = edge.whole.problem(request, problem, edge.clock.wall_ms())
            told = problem.kind.name
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: a bug here is one 500, no more
            response = _failed(name, error)
        count(response.status, time_s() - began_s, told)
        if cors is not None and not response.prepared:
            response.headers.update(cors.headers(request))
        return response

    return handle


def _failed(name: str, error: Exception) -> web.Response:
    """500 for the caller, one line for us.

    The message of an exception may hold an account's name, so it is only logged at debug level.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    log.error("request failed", route=name, error=type(error).__name__, at=places)
    log.debug("request failed because", route=name, message=str(error))
    return plain(500, "an error of the service; go on playing").response()


async def _unknown(edge: Edge, request: web.Request) -> web.StreamResponse:
    """404, 405 with the methods that the path takes, or the answer to a preflight."""
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != "/{path}":
            methods |= (await resource.resolve(request))[1]
    if not methods:
        raise not_found("there is nothing under this path")
    allowed = sorted(methods | {"OPTIONS"})
    if request.method == "OPTIONS":
        return edge.cors.preflight(request, allowed)
    raise plain(
        405, f"this path does not take {request.method[:20]}", headers={"Allow": ", ".join(allowed)}
    )


async def _expect(request: web.Request) -> web.StreamResponse | None:
    """`Expect: 100-continue`: ask for the body; any other expectation is 417 (RFC 9110, 10.1.1)."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return plain(417, "only 100-continue can be expected").response()
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
    return None
