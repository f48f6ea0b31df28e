"""Passing a call on to another node of the region, and its answer back.

Invariant: what the caller gets is the other node's answer, byte for byte, or nothing has been sent
to the caller yet. A call may be run twice when an answer is lost: every call of the API is made so
that twice is as once (a start of the same device supersedes its own).

A node that is merely slow answers one call after the other. One that stands still, or is cut off,
answers none: a node that owes answers, and has given none for SILENT_S, is *silent*, and is passed
by until it answers again or is gone from the registry.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import (
    ClientConnectionError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    hdrs,
    web,
)
from yarl import URL

from georeg.nodes.parts import ELSEWHERE

PASSED_ON: Final = "Georeg-Passed-On"
"""Header of a call that a node has passed on, with its name: it is never passed on again."""
SILENT_S: Final = 2.0
"""As long as a dead node is in the registry: one that is only busy may owe answers for a while."""
CONNECT_S: Final = 0.5
_EVENT_STREAM: Final = "text/event-stream"
_KEEPALIVE_S: Final = 30.0
_HOP_BY_HOP: Final = frozenset(
    name.lower()
    for name in (
        "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding",
        "Upgrade", "Host", "Content-Length", "Expect", "Server", PASSED_ON,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """A node, and where the other nodes of its region reach it."""

    name: str
    """Unique among all processes, also over time."""
    edge_url: str
    mesh_url: str
    ops_url: str
    """Empty: it has no operators' API."""


@dataclass(slots=True)
class _Line:
    """What is known of the way to one node."""

    owed: int = 0
    """Answers that it has not given yet."""
    heard_s: float = 0.0
    """When it gave one last, or began to owe one."""
    is_silent: bool = False


class Passing:
    """The lines of one node to the others."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._lines: dict[str, _Line] = {}
        self._session: ClientSession | None = None

    def open(self) -> None:
        """Called on the running loop."""
        self._session = ClientSession(
            connector=TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING),
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_S),
        )

    async def close(self) -> None:
        """Calls that are still under way fail."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def is_silent(self, node: str) -> bool:
        """Whether the node owes answers and gives none."""
        line = self._lines.get(node)
        return line is not None and line.is_silent

    def keep(self, nodes: set[str]) -> None:
        """These are all other nodes: what is known of others is forgotten."""
        self._lines = {name: line for name, line in self._lines.items() if name in nodes}

    async def ask(
        self, node: str, base_url: str, request: web.Request, body: bytes
    ) -> web.StreamResponse | None:
        """The node's answer; None: it cannot be reached, stands still, or says that it does not
        run the slice. A stream of events is carried to its end."""
        response = await self.call(node, base_url, request, body)
        if response is None:
            return None
        try:
            if response.content_type == _EVENT_STREAM:
                return await self._carry(request, response)
            answer = await response.read()
        except (ClientPayloadError, ClientConnectionError):
            return None
        finally:
            response.release()
        if ELSEWHERE in response.headers:
            return None
        return web.Response(status=response.status, body=answer, headers=_passed(response.headers))

    async def call(
        self, node: str, base_url: str, request: web.Request, body: bytes
    ) -> ClientResponse | None:
        """The same call made to the node; None: it cannot be reached or stands still."""
        assert self._session is not None, "not open"
        headers = _passed(request.headers)
        headers.append((PASSED_ON, self._me))
        url = URL(base_url + request.raw_path, encoded=True)
        call = self._session.request(
            request.method, url, data=body or None, headers=headers, allow_redirects=False
        )
        return await self._while_heard(node, asyncio.ensure_future(_called(call)))

    async def tell(self, node: Address, method: str, path: str, token: str = "") -> int:
        """A call of this node's own, without a body; its status, 0: there was no answer."""
        assert self._session is not None, "not open"
        headers = [(PASSED_ON, self._me)]
        if token:
            headers.append((hdrs.AUTHORIZATION, f"Bearer {token}"))
        url = URL(node.edge_url + path, encoded=True)
        call = self._session.request(method, url, headers=headers, allow_redirects=False)
        response = await self._while_heard(node.name, asyncio.ensure_future(_called(call)))
        if response is None:
            return 0
        response.release()
        return 0 if ELSEWHERE in response.headers else response.status

    async def post(self, node: Address, path: str, body: bytes) -> bytes | None:
        """A call of this node's own with a body; what was answered, None: it was not, with 200."""
        assert self._session is not None, "not open"
        url = URL(node.edge_url + path, encoded=True)
        call = self._session.request("POST", url, data=body, headers=[(PASSED_ON, self._me)])
        response = await self._while_heard(node.name, asyncio.ensure_future(_called(call)))
        if response is None:
            return None
        try:
            return await response.read() if response.status == 200 else None
        except (ClientPayloadError, ClientConnectionError):
            return None
        finally:
            response.release()

    async def _while_heard(
        self, node: str, call: "asyncio.Future[ClientResponse | None]"
    ) -> ClientResponse | None:
        """Wait for an answer for as long as the node gives any."""
        loop = asyncio.get_running_loop()
        line = self._lines.setdefault(node, _Line())
        if line.owed == 0:
            line.heard_s = loop.time()
        line.owed += 1
        try:
            while not call.done():
                left_s = line.heard_s + SILENT_S - loop.time()
                if left_s <= 0:
                    line.is_silent = True
                    return None
                await asyncio.wait((call,), timeout=left_s)
            response = call.result()
            if response is not None:
                line.heard_s, line.is_silent = loop.time(), False
            return response
        finally:
            line.owed -= 1
            if not call.done():
                call.cancel()

    async def _carry(self, request: web.Request, response: ClientResponse) -> web.StreamResponse:
        """Pass a stream of events on, piece by piece, until either side ends it."""
        stream = web.StreamResponse(status=response.status, headers=_passed(response.headers))
        await stream.prepare(request)
        try:
            async for piece in response.content.iter_any():
                await stream.write(piece)
        except (ClientError, ConnectionError):
            response.close()  # a node that died ends the stream; the device opens another one
        return stream


async def _called(call: Awaitable[ClientResponse]) -> ClientResponse | None:
    try:
        return await call
    except (ClientError, OSError, TimeoutError):
        return None


def _passed(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that concern the call or the answer, not the connection."""
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]
