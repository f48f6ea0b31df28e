"""`GET` and `DELETE` under `/v1/accounts/{account}/sessions`: see who plays, end one of them."""

from aiohttp import web

from georeg.edge.answers import json_answer, require_joined, settled
from georeg.edge.auth import caller_for
from georeg.edge.context import Edge
from georeg.edge.problems import not_found, unavailable
from georeg.edge.schemas import account_of, this_device_of
from georeg.region.model import KickOutcome, NoSession, NotDurable


async def list_sessions(edge: Edge, request: web.Request) -> web.StreamResponse:
    """200 with all of the account's sessions; `?device=ID` marks the caller's own."""
    account = account_of(request)
    await caller_for(edge, request, account)
    this_device = this_device_of(request)
    return json_answer(edge.render.listing(edge.region.sessions(account), this_device))


async def kick(edge: Edge, request: web.Request) -> web.StreamResponse:
    """200 once the kick is durable; 404 for an id that is not the account's; 503 when the disk
    refused: the session has ended, but a crash could bring it back, so the caller should repeat.
    """
    account = account_of(request)
    caller = await caller_for(edge, request, account)
    require_joined(edge)
    session = edge.render.parse_session_id(request.match_info["session"])
    outcome: KickOutcome = NoSession()
    if session is not None:
        outcome = await settled(edge, edge.region.kick(account, session, caller.kind.actor))
    if isinstance(outcome, NoSession):
        raise not_found("the account has no such session")
    if isinstance(outcome, NotDurable):
        raise unavailable("the kick could not be stored; repeat it", edge.settings.retry_after_s)
    return json_answer(edge.render.kicked(outcome))
