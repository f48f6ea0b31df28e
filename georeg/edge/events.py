"""`GET /v1/sessions/events`: an event stream that tells a device at once when its session ends.

Server-sent events: `ended` with the body of the 410, `drain` when this region goes away; a comment
every 15 s keeps proxies from closing the stream and finds dead sockets. Opening it counts as a
heartbeat, so a session that is over is answered 410 at once, and one that moved is adopted here.
The watch begins before that heartbeat: no end falls between the two.
"""

import asyncio
from typing import Final

from aiohttp import web

from georeg.edge.answers import require_joined, settled
from georeg.edge.auth import bearer, session_claims
from georeg.edge.context import Edge
from georeg.edge.streams import COMMENT, Message, Stream, ended_message
from georeg.region.model import Claims, Ended

_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def events(edge: Edge, request: web.Request) -> web.StreamResponse:
    """200 and a stream until the session ends, the region drains, or the device goes away."""
    claims = session_claims(edge, bearer(request.headers))
    if edge.region.drain.has_effect:
        raise edge.farewell.problem("connect")
    if edge.stalls.is_recent():
        await edge.stalls.let_leave(request)
    stream = edge.streams.open(claims.session)
    unwatch = edge.region.watch(
        claims.session, lambda ended: stream.send(ended_message(edge.session_ended(ended)))
    )
    try:
        await _heartbeat(edge, claims)
        return await _pump(edge, request, stream)
    finally:
        unwatch()
        edge.streams.close(stream)


async def _heartbeat(edge: Edge, claims: Claims) -> None:
    """Raise Problem 410 when the session is over."""
    if not edge.region.renew(claims.session, claims.account):
        require_joined(edge)
        answer = await settled(edge, edge.region.heartbeat(claims))
        if isinstance(answer, Ended):
            raise edge.session_ended(answer)


async def _pump(edge: Edge, request: web.Request, stream: Stream) -> web.StreamResponse:
    response = web.StreamResponse(headers=_HEADERS | edge.cors.headers(request))
    await response.prepare(request)
    message = COMMENT
    while True:
        if not await _sent(edge, request, response, message) or message.is_last:
            return response
        try:
            async with asyncio.timeout(edge.settings.comment_ms / 1000):
                message = await stream.next()
        except TimeoutError:
            message = COMMENT


async def _sent(
    edge: Edge, request: web.Request, response: web.StreamResponse, message: Message
) -> bool:
    """Whether the device took it; a peer that takes nothing any longer is cut off."""
    try:
        async with asyncio.timeout(edge.settings.stream_write_ms / 1000):
            await response.write(message.data)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        return False
    except ConnectionError:
        return False
    return True
