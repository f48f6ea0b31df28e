"""What operators look at: `GET` only, nothing changes."""

import asyncio
from collections.abc import Generator
from typing import TypeVar

from aiohttp import web

from georeg.edge.answers import json_answer
from georeg.edge.instants import instant
from georeg.edge.schemas import account_of
from georeg.ops import render
from georeg.ops.context import Ops
from georeg.ops.diagnosis import in_short, troubles
from georeg.ops.keys import Operator

T = TypeVar("T")


async def status(ops: Ops, _operator: Operator, _request: web.Request) -> web.Response:
    """All regions as this one sees them, and what is wrong."""
    report = ops.region.report.status()
    found = troubles(report, ops.region.settings, ops.name_of, ops.links())
    return json_answer(
        {
            "view_of": ops.region.name,
            "cluster": ops.cluster,
            "at": instant(report.wall_ms),
            "regions": [render.region(ops, region) for region in report.regions],
            "election": report.election.value,
            "seats": [render.seat(ops, seat) for seat in report.seats],
            "recent": report.recent,
            "problems": [render.trouble(ops, trouble) for trouble in found],
        }
    )


async def peers(ops: Ops, _operator: Operator, _request: web.Request) -> web.Response:
    """This region's row of the matrix: every other region as it is reached from here."""
    report = ops.region.report.status()
    links = ops.links()
    rows = []
    for peer in report.regions:
        if peer.region == ops.region.id:
            continue
        link = links.get(peer.region)
        rows.append(
            {
                "region": ops.name_of(peer.region),
                "state": peer.state,
                "via": None if peer.via is None else ops.name_of(peer.via),
                "round_trip_s": render.seconds(peer.round_trip_ms),
                "silent_s": render.seconds(peer.silent_ms),
                "evidence_age_s": render.seconds(peer.evidence_age_ms),
                "events_behind": peer.events_behind,
                "events_missing": peer.events_missing,
                "behind_s": render.seconds(peer.missing_ms),
                "link": None
                if link is None
                else {
                    "state": link.state.value,
                    "state_for_s": link.state_for_ms / 1000,
                    "is_accepted": link.accepted,
                    "queued_bytes": link.queued_bytes,
                    "dropped": link.dropped,
                    "bad_messages": link.bad_messages,
                    "last_error": in_short(link.last_error),
                },
            }
        )
    at = instant(report.wall_ms)
    urls = {ops.name_of(peer): url for peer, url in sorted(ops.ops_urls.items())}
    return json_answer(
        {"view_of": ops.region.name, "at": at, "peers": rows, "ops_urls": urls}
    )


async def quota(ops: Ops, _operator: Operator, _request: web.Request) -> web.Response:
    """The budgets. Walks over all accounts, and lets everything else go on meanwhile."""
    report = await _breathing(ops.region.report.quota())
    return json_answer(render.quota(ops, report))


async def _breathing(walk: Generator[None, None, T]) -> T:
    """What a walk gives, with a turn of the loop between its steps."""
    while True:
        try:
            next(walk)
        except StopIteration as end:
            value: T = end.value
            return value
        await asyncio.sleep(0)


async def account(ops: Ops, _operator: Operator, request: web.Request) -> web.Response:
    """One account: limit, grants, sessions with their evidence."""
    return json_answer(render.account(ops, ops.region.report.account(account_of(request))))


async def keys(ops: Ops, _operator: Operator, _request: web.Request) -> web.Response:
    """The ids of the keys that this process has; a key itself is never told."""
    return json_answer(
        {
            "view_of": ops.region.name,
            "at": instant(ops.clock.wall_ms()),
            "in_use_since": instant(ops.keys_since_ms),
            "session_limit_s": ops.region.settings.session_limit_s,
            "rings": {
                ring: [
                    {"id": key.id, "is_first": key.is_first, "accepted": key.accepted()}
                    for key in keys
                ]
                for ring, keys in ops.rings.items()
            },
        }
    )
