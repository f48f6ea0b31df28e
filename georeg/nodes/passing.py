"""Passing a call on to another node of the region, and its answer back.

Invariant: what the caller gets is the other node's answer, byte for byte, or nothing has been sent
to the caller yet. Each node is dialled where regions dial it, so that TLS, where there is any, is
that of the mesh, and is called only after both have proven that they hold a cluster key (proof.py).
How calls travel: line.py; what may stand still there: the same. Event streams and operators' calls
go another way (carrying.py).
Cost, measured: some 110 us a start in both nodes together where 64 come at once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

from aiohttp import (
    BaseConnector,
    ClientSession,
    ClientWebSocketResponse,
    ClientWSTimeout,
    web,
)
from aiohttp.http import HttpVersion11
from multidict import CIMultiDict
from yarl import URL

from georeg.edge.problems import unavailable
from georeg.edge.whole import WholeAnswer
from georeg.mesh import dial_tcp, open_session
from georeg.nodes.frames import FRAME_BYTES_MAX, Answer
from georeg.nodes.line import Line
from georeg.nodes.proof import Proof

PASSED_ON: Final = "Georeg-Passed-On"
"""Header of a call that a node has passed on, with its name: it is never passed on again."""
CALLS_PATH: Final = "/nodes/calls"
"""Where nodes dial each other, at the port for other regions."""
_CLOSE_S: Final = 0.25
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


class Passing:
    """The lines of one node to the others."""

    def __init__(
        self,
        me: str,
        proof: Proof,
        tls: SSLContext | None = None,
        *,
        connector: Callable[[], BaseConnector] = dial_tcp,
    ) -> None:
        """`tls`: by which the others are dialled where their addresses are `wss`."""
        self._connector = connector
        self._me = me
        self._proof = proof
        self._tls = tls
        self._lines: dict[str, Line] = {}
        self._leaving: list[Line] = []
        self._session: ClientSession | None = None

    def open(self) -> None:
        """Called on the running loop."""
        self._session = open_session(self._connector)  # timeouts: line.py

    async def close(self) -> None:
        """Calls that are still under way end without an answer."""
        session, self._session = self._session, None
        self.keep(())
        for line in self._leaving:
            await line.close()
        if session is not None:
            await session.close()

    def is_silent(self, node: str) -> bool:
        """Whether the node stands still or is out of reach, as far as is known."""
        line = self._lines.get(node)
        return line is not None and line.is_down

    def keep(self, nodes: Iterable[Address]) -> None:
        """These are all other nodes: they are dialled before anybody needs them, when this node may
        have too much to do; the others are hung up on."""
        known = {node.name: node for node in nodes if self._session is not None}
        for node in known.values():
            self._line(node)
        for name in [name for name in self._lines if name not in known]:
            line = self._lines.pop(name)
            line.hang_up()
            self._leaving.append(line)
        self._leaving = [line for line in self._leaving if not line.is_over]

    async def ask(
        self, node: Address, request: web.Request, body: bytes
    ) -> web.StreamResponse | None:
        """The node's answer; None: it cannot be reached, stands still, or says that it does not
        run the slice. Raises Problem 503: too much is asked of it."""
        line = self._line(node)
        if line.is_full:
            raise unavailable("too much is asked of the node that answers for this account", 1)
        answer = await line.call(
            request.method,
            request.rel_url.raw_path_qs,
            [part for pair in passed(request.headers) for part in pair],
            body,
            keeps=request.keep_alive and request.version == HttpVersion11,
        )
        return None if answer is None or not answer.status else _response(answer)

    async def tell(self, node: Address, method: str, path: str) -> int:
        """A call of this node's own, without a body; its status, 0: there was no answer."""
        answer = await self._line(node).call(method, path, (), b"", keeps=False)
        return 0 if answer is None else answer.status

    async def post(self, node: Address, path: str, body: bytes) -> bytes | None:
        """A call of this node's own with a body; what was answered, None: it was not, with 200."""
        answer = await self._line(node).call("POST", path, (), body, keeps=False)
        return None if answer is None or answer.status != 200 else answer.body

    def _line(self, node: Address) -> Line:
        line = self._lines.get(node.name)
        if line is None:
            line = self._lines[node.name] = Line(node.name, lambda: self._dial(node))
        return line

    async def _dial(self, node: Address) -> ClientWebSocketResponse:
        assert self._session is not None, "not open"
        socket = await self._session.ws_connect(
            URL(node.mesh_url).with_path(CALLS_PATH),
            compress=0,
            max_msg_size=FRAME_BYTES_MAX,
            ssl=self._tls or True,
            timeout=ClientWSTimeout(ws_close=_CLOSE_S),
        )
        try:
            await self._proof.dialled(socket, self._me)
        except BaseException:
            await socket.close()
            raise
        return socket


def _response(answer: Answer) -> web.StreamResponse:
    """The answer as this node gives it."""
    if answer.headers is None:
        return WholeAnswer(answer.body, answer.status)
    headers = CIMultiDict(zip(answer.headers[::2], answer.headers[1::2], strict=True))
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def passed(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that concern the call or the answer, not the connection."""
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]
