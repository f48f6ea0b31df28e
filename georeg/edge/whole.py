"""A whole HTTP/1.1 answer in one write: for the heartbeat, and for every problem.

aiohttp spends 10 us on an answer: a case-insensitive multidict of headers, their serialisation, a
state machine for bodies of unknown length. Here the head is fixed but for length and date, so the
answer is three pieces of bytes, and a heartbeat costs less than an empty handler does. Problems go
the same way, so that a flood of calls that are refused or put off costs as little as can be.

Invariant: on the wire it is what `web.Response` would have sent, without the Server header.
Requests that would need more (HTTP/1.0, `Connection: close`, HEAD, CORS) get a `web.Response`.
"""

from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

from georeg.edge.bodies import JSON_TYPE
from georeg.edge.problems import Problem

_HEADERS: Final = {"Content-Type": JSON_TYPE}


class WholeAnswers:
    """Makes 200s with a JSON body, and problems."""

    def __init__(self) -> None:
        self._second = -1
        self._date = b""
        self._head = b""

    def make(self, request: web.Request, body: bytes, wall_ms: int) -> web.StreamResponse:
        """The answer to this request; `wall_ms` is for its Date."""
        if _needs_more(request):
            return web.Response(body=body, headers=_HEADERS)
        if wall_ms // 1000 != self._second:
            self._note_second(wall_ms // 1000)
        return WholeAnswer(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), 200)

    def problem(
        self, request: web.Request, problem: Problem, wall_ms: int
    ) -> web.StreamResponse:
        """The same for an answer that is no success."""
        if _needs_more(request):
            return problem.response()
        if wall_ms // 1000 != self._second:
            self._note_second(wall_ms // 1000)
        status, body = problem.kind.status, problem.body()
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        head += [f"{name}: {value}" for name, value in problem.all_headers().items()]
        lines = "\r\n".join(head).encode()
        return WholeAnswer(
            b"%b\r\n%bContent-Length: %d\r\n\r\n%b" % (lines, self._date, len(body), body), status
        )

    def _note_second(self, second: int) -> None:
        self._second = second
        self._date = f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
        kind = f"HTTP/1.1 200 OK\r\nContent-Type: {JSON_TYPE}\r\n".encode()
        self._head = kind + self._date + b"Content-Length: "


def _needs_more(request: web.Request) -> bool:
    return (
        request.version != HttpVersion11
        or not request.keep_alive
        or "Origin" in request.headers
        or request.method == "HEAD"
    )


class WholeAnswer(web.StreamResponse):
    """Bytes that are an answer, as the part of StreamResponse that the protocol uses."""

    def __init__(self, data: bytes, status: int) -> None:
        super().__init__(status=status)
        self.data: Final = data
        """Head and body."""

    @property
    def keep_alive(self) -> bool | None:
        """Always: other requests get another answer."""
        return True

    @property
    def prepared(self) -> bool:
        """Its head is complete: nobody can add headers any longer."""
        return True

    async def prepare(self, request: Any) -> AbstractStreamWriter | None:
        """Send it. Raises ConnectionResetError when the peer has gone."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        transport.write(self.data)
        if request.protocol.writing_paused:
            await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""
        assert not data, "the answer was whole"
