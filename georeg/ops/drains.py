"""Draining the region: how far it has come, begin, end. What a drain is: `georeg/region/drain.py`.

Invariant: a drain that would leave no region to go to is refused, here and in the dry run, unless
it is forced; it always has an end.
"""

from typing import Final, cast

from aiohttp import web

from crdt.errors import LocalError
from georeg.edge.answers import json_answer
from georeg.edge.bodies import read_json
from georeg.edge.instants import instant
from georeg.edge.problems import Kind, Problem, invalid
from georeg.edge.shapes import Choice, Fields, Text, Whole
from georeg.ops import render
from georeg.ops.actions import BODY_MAX, is_dry_run
from georeg.ops.context import TERMS, Ops
from georeg.ops.keys import May, Operator
from georeg.ops.routes import OpsRoute, action
from georeg.region.drain import FOR_MS, FOR_MS_MAX

WOULD_LOSE: Final = Kind(
    "would-lose",
    409,
    "Refused: something would be lost",
    "`detail` says what, and what to do first. With `force` it is done all the same.",
)
DRAIN: Final = Fields(
    required={},
    optional={
        "for_s": Whole(1, FOR_MS_MAX // 1000, "The drain ends by itself after this."),
        "over_s": Whole(0, FOR_MS_MAX // 1000, "Devices leave evenly within this."),
        "force": Choice(("yes", "no")),
        "comment": Text(0, 200, "Why; for the audit log."),
    },
)


async def look(ops: Ops, _operator: Operator, _request: web.Request) -> web.Response:
    """How far a drain has come; also when none is on."""
    return json_answer(_progress(ops))


async def begin(ops: Ops, _operator: Operator, request: web.Request) -> web.Response:
    """Drain from now on, on these terms; again: the new terms hold. 409 when it would lose."""
    dry_run = is_dry_run(request)
    body = await read_json(request, DRAIN, BODY_MAX)
    for_s = cast("int | None", body.get("for_s")) or FOR_MS // 1000
    over_s = cast("int | None", body.get("over_s"))
    force = body.get("force") == "yes"
    request[TERMS] = {"for_s": for_s, "force": force, "comment": body.get("comment", "")}
    if over_s is not None and over_s > for_s:
        raise invalid(("over_s", "is longer than the drain itself, for_s"))
    drain = ops.region.drain
    if not force and (obstacle := drain.obstacle()) is not None:
        raise Problem(WOULD_LOSE, obstacle)
    ops.require_joined()
    if dry_run:
        return json_answer({**_progress(ops), "dry_run": True, "would_end_after_s": for_s})
    try:
        over_ms = None if over_s is None else over_s * 1000
        drain.begin(for_s * 1000, over_ms=over_ms, force=force)
    except LocalError as error:
        raise Problem(WOULD_LOSE, str(error)) from None
    return json_answer({**_progress(ops), "dry_run": False, "would_end_after_s": for_s})


async def end(ops: Ops, _operator: Operator, request: web.Request) -> web.Response:
    """Drain no more. Harmless when no drain is on."""
    dry_run = is_dry_run(request)
    if not dry_run:
        ops.region.drain.end()
    return json_answer({**_progress(ops), "dry_run": dry_run})


def _progress(ops: Ops) -> render.Json:
    progress = ops.region.drain.progress()
    return {
        "view_of": ops.region.name,
        "at": instant(ops.clock.wall_ms()),
        "is_draining": progress.is_on,
        "has_effect": progress.has_effect,
        "is_forced": progress.is_forced,
        "sessions": progress.sessions,
        "grants_held": progress.grants,
        "since_s": render.seconds(progress.since_ms),
        "ends_in_s": render.seconds(progress.left_ms),
        "elsewhere": [ops.name_of(region) for region in progress.elsewhere],
    }


DRAIN_ROUTES: Final = (
    OpsRoute("drain status", "GET", "/v1/drain", look, may=May.READ),
    action("drain", "PUT", "/v1/drain", begin),
    action("undrain", "DELETE", "/v1/drain", end),
)
