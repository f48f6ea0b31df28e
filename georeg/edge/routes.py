"""Every call of the API in one table: the router and the OpenAPI document are both made from it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from georeg.edge import paths
from georeg.edge.batches import heartbeats
from georeg.edge.bodies import FORM_TYPE, JSON_TYPE, MSGPACK_TYPE
from georeg.edge.context import Edge
from georeg.edge.documents import openapi, problem_type
from georeg.edge.events import events
from georeg.edge.health import livez, metrics, readyz
from georeg.edge.heartbeats import heartbeat, stop
from georeg.edge.introspect import introspect
from georeg.edge.overload import Urgency
from georeg.edge.plans import set_plan
from georeg.edge.problems import (
    DRAINING,
    FORBIDDEN,
    INVALID_REQUEST,
    LIMIT_REACHED,
    NOT_FOUND,
    PLAN_OUTDATED,
    SESSION_ENDED,
    TOO_LARGE,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    UNAVAILABLE,
    Kind,
)
from georeg.edge.schemas import HEARTBEAT_BODY, PLAN
from georeg.edge.schemas import START as START_BODY
from georeg.edge.sessions import kick, list_sessions
from georeg.edge.shapes import Fields
from georeg.edge.start import start

Handler = Callable[[Edge, web.Request], Awaitable[web.StreamResponse]]

BY_ACCOUNT: Final = ("entitlement", "backend")
BY_BACKEND: Final = ("backend",)
BY_SESSION: Final = ("session",)
BY_ANYONE: Final = ()
_CALLER: Final = (UNAUTHORIZED, FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Route:
    """One call."""

    name: str
    """Its operation id, and its label in metrics and logs."""
    method: str
    path: str
    handler: Handler
    summary: str
    urgency: Urgency
    """When it is put off under overload."""
    callers: tuple[str, ...]
    """Which credentials it takes (names of security schemes)."""
    status: int
    """Of success."""
    answer: str | None
    """Name of the schema of its success, None for an empty body."""
    problems: tuple[Kind, ...] = ()
    body: Fields | None = None
    body_required: bool = True
    body_type: str = JSON_TYPE
    answer_type: str = JSON_TYPE
    headers: tuple[str, ...] = ()
    """Request headers that matter to it (names of parameters)."""
    query: tuple[str, ...] = ()


HEARTBEAT: Final = Route(
    name="heartbeat",
    method="POST",
    path=paths.HEARTBEAT,
    handler=heartbeat,
    summary="Say that a session goes on",
    urgency=Urgency.ALWAYS,
    callers=BY_SESSION,
    status=200,
    answer="Heartbeat",
    problems=(UNAUTHORIZED, SESSION_ENDED, TOO_LARGE, INVALID_REQUEST, UNAVAILABLE),
    body=HEARTBEAT_BODY,
    body_required=False,
)
"""The call that is made most."""

START: Final = Route(
    name="start",
    method="POST",
    path=paths.SESSIONS,
    handler=start,
    summary="Start a stream",
    urgency=Urgency.START,
    callers=BY_ACCOUNT,
    status=201,
    answer="Started",
    problems=(
        *_CALLER,
        LIMIT_REACHED,
        TOO_LARGE,
        INVALID_REQUEST,
        TOO_MANY_REQUESTS,
        UNAVAILABLE,
        DRAINING,
    ),
    body=START_BODY,
    headers=("Idempotency-Key", "Prefer"),
)

ROUTES: Final = (
    HEARTBEAT,
    Route(
        name="stop",
        method="POST",
        path=paths.STOP,
        handler=stop,
        summary="End a session from its own device",
        urgency=Urgency.ALWAYS,
        callers=BY_SESSION,
        status=204,
        answer=None,
        problems=(UNAUTHORIZED, TOO_LARGE, INVALID_REQUEST, UNAVAILABLE),
        body_type="text/plain",
        body_required=False,
    ),
    Route(
        name="heartbeats",
        method="POST",
        path=paths.HEARTBEATS,
        handler=heartbeats,
        summary="Up to 1,000 heartbeats at once, for gateways",
        urgency=Urgency.ALWAYS,
        callers=BY_BACKEND,
        status=200,
        answer="Statuses",
        problems=(*_CALLER, TOO_LARGE, INVALID_REQUEST, UNAVAILABLE),
        body_type=MSGPACK_TYPE,
        answer_type=MSGPACK_TYPE,
    ),
    Route(
        name="events",
        method="GET",
        path=paths.EVENTS,
        handler=events,
        summary="Hear at once when a session ends",
        urgency=Urgency.LOOK,
        callers=BY_SESSION,
        status=200,
        answer="Events",
        problems=(UNAUTHORIZED, SESSION_ENDED, UNAVAILABLE, DRAINING),
        answer_type="text/event-stream",
    ),
    START,
    Route(
        name="list",
        method="GET",
        path=paths.SESSIONS,
        handler=list_sessions,
        summary="See an account's sessions",
        urgency=Urgency.LOOK,
        callers=BY_ACCOUNT,
        status=200,
        answer="Listing",
        problems=(*_CALLER, INVALID_REQUEST, UNAVAILABLE),
        query=("device",),
    ),
    Route(
        name="kick",
        method="DELETE",
        path=f"{paths.SESSIONS}/{{session}}",
        handler=kick,
        summary="End one of an account's sessions for good",
        urgency=Urgency.ALWAYS,
        callers=BY_ACCOUNT,
        status=200,
        answer="Kicked",
        problems=(*_CALLER, NOT_FOUND, INVALID_REQUEST, UNAVAILABLE),
    ),
    Route(
        name="plan",
        method="PUT",
        path=f"{paths.ACCOUNTS}{{account}}/plan",
        handler=set_plan,
        summary="State an account's plan",
        urgency=Urgency.START,
        callers=BY_BACKEND,
        status=200,
        answer="PlanState",
        problems=(*_CALLER, PLAN_OUTDATED, TOO_LARGE, INVALID_REQUEST, UNAVAILABLE),
        body=PLAN,
    ),
    Route(
        name="introspect",
        method="POST",
        path=paths.INTROSPECT,
        handler=introspect,
        summary="Ask whether a session's token still counts (RFC 7662)",
        urgency=Urgency.LOOK,
        callers=BY_BACKEND,
        status=200,
        answer="Introspection",
        problems=(*_CALLER, TOO_LARGE, INVALID_REQUEST, UNAVAILABLE),
        body_type=FORM_TYPE,
    ),
    Route(
        name="livez",
        method="GET",
        path="/livez",
        handler=livez,
        summary="Whether this process answers",
        urgency=Urgency.ALWAYS,
        callers=BY_ANYONE,
        status=200,
        answer="Alive",
    ),
    Route(
        name="readyz",
        method="GET",
        path="/readyz",
        handler=readyz,
        summary="Whether this region takes starts",
        urgency=Urgency.ALWAYS,
        callers=BY_ANYONE,
        status=200,
        answer="Ready",
        problems=(UNAVAILABLE, DRAINING),
    ),
    Route(
        name="metrics",
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="Metrics for Prometheus",
        urgency=Urgency.ALWAYS,
        callers=BY_ANYONE,
        status=200,
        answer="Metrics",
        answer_type="text/plain",
    ),
    Route(
        name="openapi",
        method="GET",
        path="/openapi.json",
        handler=openapi,
        summary="This document",
        urgency=Urgency.LOOK,
        callers=BY_ANYONE,
        status=200,
        answer="Document",
        problems=(UNAVAILABLE,),
    ),
    Route(
        name="problem",
        method="GET",
        path="/problems/{name}",
        handler=problem_type,
        summary="What a type of problem means",
        urgency=Urgency.LOOK,
        callers=BY_ANYONE,
        status=200,
        answer="ProblemMeaning",
        problems=(NOT_FOUND, UNAVAILABLE),
        answer_type="text/plain",
    ),
)
