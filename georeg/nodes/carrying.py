"""Calls to other nodes that go as HTTP: event streams, which last, and the few of operators.

Invariant: what the caller gets is the other node's answer, byte for byte, or nothing has been sent
to the caller yet.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import (
    BaseConnector,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    hdrs,
    web,
)
from yarl import URL

from georeg.mesh import dial_tcp
from georeg.nodes.parts import ELSEWHERE
from georeg.nodes.passing import PASSED_ON, passed

CONNECT_S: Final = 0.5
ANSWER_S: Final = 3.0
"""Longest until an answer, of which an event stream is the first line."""
_EVENT_STREAM: Final = "text/event-stream"


class Carrying:
    """The HTTP client of one node."""

    def __init__(self, me: str, connector: Callable[[], BaseConnector] = dial_tcp) -> None:
        self._me = me
        self._connector = connector
        self._session: ClientSession | None = None
        self._streams: set[ClientResponse] = set()
        """Event streams of other nodes that are passed on here."""

    def open(self) -> None:
        """Called on the running loop."""
        self._session = ClientSession(
            connector=self._connector(),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING),
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_S),
        )

    def end_streams(self) -> None:
        """Their devices open others: an edge that stops would else wait for these."""
        for response in list(self._streams):
            response.close()

    async def close(self) -> None:
        """Calls that are still under way fail."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(
        self, base_url: str, request: web.Request, body: bytes
    ) -> web.StreamResponse | None:
        """The answer of the node there; None: it cannot be reached, does not answer, or says that
        it does not run the slice. A stream of events is carried to its end."""
        assert self._session is not None, "not open"
        headers = [*passed(request.headers), (PASSED_ON, self._me)]
        url = URL(base_url + request.rel_url.raw_path_qs, encoded=True)
        try:
            async with asyncio.timeout(ANSWER_S):
                response = await self._session.request(
                    request.method, url, data=body or None, headers=headers, allow_redirects=False
                )
        except (ClientError, OSError, TimeoutError):
            return None
        try:
            if response.content_type == _EVENT_STREAM:
                self._streams.add(response)
                try:
                    return await _carry(request, response)
                finally:
                    self._streams.discard(response)
            async with asyncio.timeout(ANSWER_S):
                answer = await response.read()
        except (ClientError, OSError, TimeoutError):
            return None
        finally:
            response.release()
        if ELSEWHERE in response.headers:
            return None
        return web.Response(status=response.status, body=answer, headers=passed(response.headers))


async def _carry(request: web.Request, response: ClientResponse) -> web.StreamResponse:
    """Pass a stream of events on, piece by piece, until either side ends it."""
    stream = web.StreamResponse(status=response.status, headers=passed(response.headers))
    await stream.prepare(request)
    try:
        async for piece in response.content.iter_any():
            await stream.write(piece)
    except (ClientError, ConnectionError):
        response.close()  # a node that died ends the stream; the device opens another one
    return stream
