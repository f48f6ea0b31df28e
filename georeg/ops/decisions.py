"""What one region decided about an account lately, as JSON; `georeg explain` makes sentences of it.

What says nothing for its kind is null. Times of day are by the region's own wall clock.
"""

from aiohttp import web

from georeg.edge.answers import json_answer
from georeg.edge.instants import instant
from georeg.edge.schemas import account_of
from georeg.ops import render
from georeg.ops.context import Ops
from georeg.ops.keys import Operator
from georeg.region.decisions import Decision, Witness


async def decisions(ops: Ops, _operator: Operator, request: web.Request) -> web.Response:
    """The decisions about one account that this region remembers, oldest first."""
    account, known = account_of(request), ops.region.report.decisions
    return json_answer(
        {
            "view_of": ops.region.name,
            "at": instant(ops.clock.wall_ms()),
            "account": account,
            "is_kept": known.keeping.records_max > 0,
            "complete_since": instant(known.complete_since_ms(account)),
            "decisions": [_decision(ops, one) for one in known.of(account)],
        }
    )


def _decision(ops: Ops, one: Decision) -> render.Json:
    limits = one.limit > 0
    return {
        "at": instant(one.wall_ms),
        "kind": one.kind.name.lower(),
        "session": ops.render.session_id(one.session) if one.session else None,
        "device": {"id": one.device, "name": one.name} if one.device else None,
        "word": one.word or None,
        "region": ops.name_of(one.region) if one.region else None,
        "actor": one.actor or None,
        "who": one.who or None,
        "plan": one.plan if limits else None,
        "limit": one.limit if limits else None,
        "live": one.live if limits else None,
        "took_s": render.seconds(one.took_ms) if limits else None,
        "seen": [_witness(ops, witness) for witness in one.seen],
    }


def _witness(ops: Ops, one: Witness) -> render.Json:
    return {
        "session": ops.render.session_id(one.session),
        "device": {"id": one.device, "name": one.name},
        "region": ops.name_of(one.region),
        "how": one.how or None,
        "age_s": render.seconds(one.age_ms) if one.how else None,
    }
