"""Heartbeat and stop: what a device says about its own session, one request each.

The heartbeat is the hottest call of the service. Its answer is three pieces of bytes put together,
its token is verified without building the claims, and nothing is awaited unless there is a body or
the session is not simply here and live. Now and then it hands out a rolled token.
"""

from typing import Final

from aiohttp import web

from georeg.edge.answers import require_joined, settled
from georeg.edge.auth import bearer, session_claims
from georeg.edge.bodies import JSON_TYPE, TEXT_TYPE, has_body, read_body, require_type
from georeg.edge.context import Edge
from georeg.edge.errors import TokenError
from georeg.edge.jsons import parse_json
from georeg.edge.problems import invalid, unauthorized
from georeg.edge.schemas import HEARTBEAT_BODY
from georeg.edge.shapes import Errors
from georeg.edge.tokens import lineage_of, mark_of, raw_of, session_and_account
from georeg.edge.whole import RENEWED
from georeg.region.model import Ended

_USUAL_BODIES: Final = frozenset(
    (b"", b"{}")
    + tuple(
        f'{{"state":{space}"{state}"}}'.encode()
        for state in ("playing", "paused")
        for space in ("", " ")
    )
)
"""What nearly every player sends, known to be right without parsing."""


async def heartbeat(edge: Edge, request: web.Request) -> web.StreamResponse:
    """200 with when to come next, and where if the region drains; 410 with why it is over."""
    token = bearer(request.headers)
    if token is None:
        raise unauthorized("the session's token is missing: Authorization: Bearer TOKEN")
    raw, session, account = _renewable(edge, token)
    rolled_ms, parent = lineage_of(raw)
    if has_body(request):
        await _check_body(edge, request)
    if edge.stalls.is_recent():
        await edge.stalls.let_leave(request)
    if not edge.region.renew(session, account, mark_of(rolled_ms), parent):
        require_joined(edge)
        answer = await settled(edge, edge.region.heartbeat(session_claims(edge, token)))
        if isinstance(answer, Ended):
            raise edge.session_ended(answer)
    tail = edge.heartbeat_tail
    if edge.region.drain.has_effect:
        tail = edge.farewell.heartbeat_tail(session) or tail
    wall_ms = edge.clock.wall_ms()
    body = b'{"session":"%b%b' % (edge.render.session_id(session).encode(), tail)
    if edge.rolling.is_due(wall_ms - rolled_ms):
        body = b'%b,"token":"%b"}' % (body[:-1], edge.keys.roll(raw, wall_ms))
    return edge.whole.make(request, RENEWED, body, wall_ms)


def _renewable(edge: Edge, token: str) -> tuple[bytes, int, str]:
    """A token decoded, its session and its account. Raises Problem 401."""
    try:
        raw = raw_of(token.encode("ascii"))
        edge.keys.check(raw)
        session, account = session_and_account(raw)
        return raw, session, account.decode()
    except TokenError as error:
        raise unauthorized(f"the session's token is not valid: {error}") from None
    except UnicodeEncodeError:
        raise unauthorized("the session's token is not valid: it is not ASCII") from None


async def _check_body(edge: Edge, request: web.Request) -> None:
    """The player's state is checked and not used: whether paused streams count is for a policy."""
    body = await read_body(request, edge.settings.body_max)
    if body:
        require_type(request, JSON_TYPE)
    if body not in _USUAL_BODIES:
        errors: Errors = []
        HEARTBEAT_BODY.check(parse_json(body), "", errors)
        if errors:
            raise invalid(*errors)


async def stop(edge: Edge, request: web.Request) -> web.StreamResponse:
    """204, also when repeated. The token is in the header, or it is the whole text body.

    A page that is being closed can only send a body (`navigator.sendBeacon`), as text/plain.
    """
    token = bearer(request.headers)
    if has_body(request):
        body = await read_body(request, edge.settings.body_max)
        if token is None and body:
            require_type(request, TEXT_TYPE)
            token = _text_token(body)
    claims = session_claims(edge, token)
    require_joined(edge)
    stopped = edge.region.stop(claims)
    if stopped is not None:
        await settled(edge, stopped)
    return web.Response(status=204)


def _text_token(body: bytes) -> str:
    try:
        return body.decode("ascii").strip()
    except UnicodeDecodeError:
        raise unauthorized("the body is not a session's token") from None
