"""A whole HTTP/1.1 answer in one write: for heartbeats, starts, and every problem.

aiohttp spends 10 us on an answer: a case-insensitive multidict of headers, their serialisation, a
state machine for bodies of unknown length. Here the head is fixed but for length and date, so the
answer is some pieces of bytes, and a heartbeat costs less than an empty handler does. Problems go
the same way, so that a flood of calls that are refused or put off costs as little as can be.

Invariant: on the wire it is what `web.Response` would have sent, without the Server header.
Requests that would need more (HTTP/1.0, `Connection: close`, HEAD, CORS) get a `web.Response`.
"""

from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

from georeg.edge.bodies import JSON_TYPE
from georeg.edge.problems import PROBLEM_HEADERS, Problem


class Head(NamedTuple):
    """Status and headers of an answer, as far as they are the same each time."""

    status: int
    headers: dict[str, str]
    data: bytes
    """Both as they go over the wire."""


def head_of(status: int, headers: dict[str, str]) -> Head:
    """The head of answers with a body; Date and Content-Length are added to it."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return Head(status, headers, "".join(f"{line}\r\n" for line in lines).encode())


RENEWED: Final = head_of(200, {"Content-Type": JSON_TYPE})
STARTED: Final = head_of(201, {"Content-Type": JSON_TYPE, "Cache-Control": "no-store"})


@cache
def _problem_head(status: int) -> Head:
    """Of problems without headers of their own; there are as many as statuses."""
    return head_of(status, PROBLEM_HEADERS)


class WholeAnswers:
    """Makes the answers of one app; remembers the second of their Date."""

    def __init__(self) -> None:
        self._second = -1
        self._date = b""

    def make(
        self, request: web.Request, head: Head, body: bytes, wall_ms: int
    ) -> web.StreamResponse:
        """The answer to this request; `wall_ms` is for its Date."""
        if _needs_more(request):
            return web.Response(status=head.status, body=body, headers=head.headers)
        if wall_ms // 1000 != self._second:
            self._second = wall_ms // 1000
            self._date = f"Date: {formatdate(self._second, usegmt=True)}\r\n".encode()
        return WholeAnswer(
            b"%b%bContent-Length: %d\r\n\r\n%b" % (head.data, self._date, len(body), body),
            head.status,
        )

    def problem(
        self, request: web.Request, problem: Problem, wall_ms: int
    ) -> web.StreamResponse:
        """The same for an answer that is no success."""
        status = problem.kind.status
        if problem.headers is None:
            head = _problem_head(status)
        else:
            head = head_of(status, problem.all_headers())
        return self.make(request, head, problem.body(), wall_ms)


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
